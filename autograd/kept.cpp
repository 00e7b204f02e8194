#include <xtape/autograd/kept.hpp>

namespace xtape {

void Kept::add(const KeptPiece& piece) {
    if (!piece.identity) return;
    std::size_t& known = seen_[piece.identity];
    if (piece.bytes <= known) return;
    bytes_ += piece.bytes - known;
    total_ += piece.bytes - known;
    known = piece.bytes;
}

void Kept::add(const Array& x) {
    for (Array each = x; each; each = each.argument()) add(kept_piece(each));
}

}  // namespace xtape
