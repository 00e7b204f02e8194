#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/variable.hpp>

/// Mathematics that can be printed as text, printed as LaTeX, and evaluated: what a derivation consists of.
namespace xtape::inspect::detail {

struct Term;
/// Formed by the operators and functions below, which tidy up as they go: signs move outwards, factors of 1 vanish.
using Expression = std::shared_ptr<const Term>;
using Evaluation = std::function<Variable(const std::vector<Variable>&)>;

struct Term {
    enum class Kind {
        number,
        symbol,
        sum,
        difference,
        times,
        quotient,
        minus,
        product,
        transposed,
        power,
        call,
        spread
    };

    Kind kind;
    std::string text, latex;  ///< of a symbol; of a call its name or, with {} for its arguments, its form
    double number = 0;
    Variable value;  ///< of a symbol; empty when nobody knows it
    std::vector<Expression> parts;
    Evaluation evaluation;  ///< of a call; empty when it cannot be evaluated
    Shape shape;            ///< of what is spread or summed
    bool quiet = false;     ///< spread without a word
};

Expression number(double value);
Expression symbol(const std::string& text, const std::string& latex, Variable value);

Expression operator+(const Expression& a, const Expression& b);
Expression operator-(const Expression& a, const Expression& b);
/// Element by element.
Expression operator*(const Expression& a, const Expression& b);
Expression operator/(const Expression& a, const Expression& b);
Expression operator-(const Expression& a);
/// Of matrices, over the last two axes.
Expression product(const Expression& a, const Expression& b);
Expression transposed(const Expression& a);
Expression power(const Expression& base, const Expression& exponent);
/// `text` and `latex` are forms with a {} for each part, as in "log {}"; parts that are sums or products get brackets unless
/// the form has them itself: "({})".
Expression call(const std::string& text, const std::string& latex, std::vector<Expression> parts,
                Evaluation evaluation);
/// Repeated to a shape, or summed to one; nothing is printed where that is a number's or changes nothing.
Expression spread(const Expression& a, const Shape& shape);
Expression summed(const Expression& a, const Shape& from, const Shape& to);
/// Whether shapes alone say how: axes that a sum took away might have been several.
bool spreads_in_one_way(const Shape& from, const Shape& to);
/// Prints as `a` does, but is evaluated in another way.
Expression said(const Expression& a, std::function<Variable()> evaluation);

/// Whether it is made of numbers alone.
bool is_number(const Expression& a);
bool is_number(const Expression& a, double value);
/// A number or a symbol: nothing is gained by another name for it.
bool is_short(const Expression& a);

std::string to_text(const Expression& a);
std::string to_latex(const Expression& a);
/// Its value, float64; empty when some part of it is not known.
Variable evaluate(const Expression& a);

}  // namespace xtape::inspect::detail
