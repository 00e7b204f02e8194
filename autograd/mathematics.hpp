#pragma once

#include <string>

/// Names as mathematics: "W_1", "\delta_{hidden}".
namespace xtape::mathematics {

/// As plain text: "\delta_{12}" is "δ_12".
std::string plain(const std::string& name);

/// As LaTeX that compiles whatever the name is: "conv1.weight" is "\mathrm{conv1.weight}".
std::string latex(const std::string& name);

/// As Graphviz' HTML, of a name already escaped: "W_1" is "W<sub>1</sub>".
std::string html(const std::string& name);

}  // namespace xtape::mathematics
