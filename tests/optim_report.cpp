#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/xtensor.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

using namespace xtape;
namespace fs = std::filesystem;

namespace {

/// A folder for one test, gone afterwards.
struct Folder {
    fs::path path = fs::temp_directory_path() / ("xtape_report_" + std::to_string(getpid()));
    ~Folder() { fs::remove_all(path); }
};

/// No program is found while it lives.
struct NoPrograms {
    std::string before = std::getenv("PATH");
    NoPrograms() { setenv("PATH", "/nowhere", 1); }
    ~NoPrograms() { setenv("PATH", before.c_str(), 1); }
};

std::string contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

boost::test_tools::assertion_result gnuplot_is_here(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result here(std::system("gnuplot --version > /dev/null 2>&1") == 0);
    here.message() << "gnuplot is not installed";
    return here;
}

optim::History history_of(Index epochs) {
    optim::History history;
    for (Index i = 1; i <= epochs; ++i) {
        const double x = static_cast<double>(i);
        history.epochs.push_back({i, 1 / x, 1 - 1 / x, 1.1 / x, 1 - 1.2 / x, 0.1, 1});
    }
    history.best = epochs;
    return history;
}

IntArray counts_3() { return {{5, 1, 0}, {0, 7, 2}, {0, 0, 0}}; }
const std::vector<std::string> names_3{"T_shirt", "a<b & 'c'", "\\alpha^{2}"};

Array ramp(const Shape& shape) {
    Array array = Array::uninitialized(shape, float32);
    for (Index i = 0; i < array.size(); ++i) array.mutable_data<float>()[i] = static_cast<float>(i) - 3;
    return array;
}

Variable half_plane(const Variable& x) { return slice(x, {all(), 0}) > 0.0; }

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_report)

/// Without gnuplot the numbers are there: functions and their derivatives at 401 places.
BOOST_AUTO_TEST_CASE(functions_and_derivatives) {
    const Folder folder;
    const NoPrograms none;
    const Variable two = xt::xarray<float>{2};
    const std::vector<optim::DrawnFunction> functions{{"cube, of it", [](const Variable& x) { return x * x * x; }},
                                                      {"line", [&](const Variable& x) { return two * x + 1; }},
                                                      {"one", [](const Variable& x) { return equal(x, x); }}};
    BOOST_TEST(!optim::draw_functions(functions, -2, 2, folder.path / "f.svg", "", "z"));
    std::istringstream csv(contents(folder.path / "f.csv"));
    std::string line;
    std::getline(csv, line);
    BOOST_TEST(line ==
               "z,\"cube, of it\",\"cube, of it, first derivative\",\"cube, of it, second derivative\",line,"
               "\"line, first derivative\",\"line, second derivative\",one,\"one, first derivative\",\"one, second "
               "derivative\"");
    Index rows = 0;
    for (; std::getline(csv, line); ++rows) {
        std::replace(line.begin(), line.end(), ',', ' ');
        std::istringstream numbers(line);
        double x = 0, y[9] = {};
        numbers >> x;
        for (double& each : y) numbers >> each;
        BOOST_TEST(std::abs(x - (-2 + 0.01 * static_cast<double>(rows))) < 1e-8);
        const double expected[] = {x * x * x, 3 * x * x, 6 * x, 2 * x + 1, 2, 0, 1, 0, 0};
        for (std::size_t i = 0; i < 9; ++i) BOOST_TEST(std::abs(y[i] - expected[i]) < 1e-7);
    }
    BOOST_TEST(rows == 401);
    const auto drawn = [&](const std::vector<optim::DrawnFunction>& list, double low, double high, Index orders) {
        optim::draw_functions(list, low, high, folder.path / "g.svg", "", "x", orders);
    };
    BOOST_CHECK_THROW(drawn({}, 0, 1, 1), ValueError);
    BOOST_CHECK_THROW(drawn(functions, 1, 1, 1), ValueError);
    BOOST_CHECK_THROW(drawn(functions, 0, 1, 3), ValueError);
    BOOST_CHECK_THROW(drawn({{"sum", [](const Variable& x) { return sum(x); }}}, 0, 1, 1), ShapeError);
    const NoGrad constant;
    BOOST_CHECK_THROW(drawn(functions, 0, 1, 1), TapeError);
}

BOOST_AUTO_TEST_CASE(counting_confusions) {
    const IntArray truth{0, 0, 1, 2, 2, 2}, predicted{0, 1, 1, 2, 0, 2};
    BOOST_TEST((optim::confusion_matrix(truth, predicted, 3) == IntArray{{1, 1, 0}, {0, 1, 0}, {1, 0, 2}}));
    BOOST_CHECK_THROW(optim::confusion_matrix(truth, predicted, 2), ValueError);
    BOOST_CHECK_THROW(optim::confusion_matrix(truth, IntArray{0, 1}, 3), ShapeError);
    BOOST_CHECK_THROW(optim::confusion_matrix(IntArray{-1}, IntArray{0}, 3), ValueError);
}

BOOST_AUTO_TEST_CASE(confused_pairs) {
    const IntArray counts{{9, 1, 0, 2}, {1, 9, 0, 0}, {0, 5, 9, 0}, {2, 0, 0, 9}};
    const auto pairs = optim::most_confused(counts, 9);
    BOOST_REQUIRE(pairs.size() == 3u);  // right answers and pairs without a mistake are left out
    BOOST_TEST((pairs[0].first == 1 && pairs[0].second == 2 && pairs[0].forward == 0 && pairs[0].back == 5));
    BOOST_TEST((pairs[1].first == 0 && pairs[1].second == 3 && pairs[1].count() == 4));
    BOOST_TEST((pairs[2].first == 0 && pairs[2].second == 1 && pairs[2].count() == 2));
    BOOST_TEST(optim::most_confused(counts, 2).size() == 2u);
    BOOST_CHECK_THROW(optim::most_confused(IntArray{1, 2}, 2), ShapeError);
}

BOOST_AUTO_TEST_CASE(curves, *boost::unit_test::precondition(gnuplot_is_here)) {
    const Folder folder;
    BOOST_TEST(history_of(5).draw(folder.path / "new" / "curves.svg"));
    const std::string svg = contents(folder.path / "new" / "curves.svg");
    for (const char* text : {"<svg", "</svg>", ">epoch<", ">loss<", ">accuracy<", ">train<", ">validation<"})
        BOOST_TEST(holds(svg, text), text);
    auto history = history_of(1);
    history.metric = "R^2_test";
    BOOST_TEST(history.draw(folder.path / "one.svg"));
    BOOST_TEST(holds(contents(folder.path / "one.svg"), ">R^2_test<"));
    history.period = "iteration";
    history.held_out = "what's held";
    BOOST_TEST(history.draw(folder.path / "named.svg", "a neuron"));
    const std::string named = contents(folder.path / "named.svg");
    for (const char* text : {">iteration<", ">what's held<", ">a neuron<"}) BOOST_TEST(holds(named, text), text);
    BOOST_TEST((!holds(named, ">epoch<") && !holds(named, ">validation<")));
    BOOST_TEST(history_of(200).draw(folder.path / "many.png"));
    BOOST_TEST(holds(contents(folder.path / "many.png"), "PNG"));
    for (const auto& entry : fs::directory_iterator(folder.path)) BOOST_TEST(entry.path().extension() != ".part");
}

BOOST_AUTO_TEST_CASE(several_boundaries, *boost::unit_test::precondition(gnuplot_is_here)) {
    const Folder folder;
    const std::vector<optim::Boundary> boundaries{
        {"nothing yet", nullptr}, {"epoch 1", half_plane}, {"it's", half_plane}, {"epoch 3", half_plane}};
    BOOST_TEST(optim::draw_boundaries(ramp({6, 2}), Array::filled({6}, float32, 1), boundaries,
                                      folder.path / "forming.svg", "how it forms"));
    const std::string svg = contents(folder.path / "forming.svg");
    for (const char* text : {">how it forms<", ">nothing yet<", ">epoch 1<", ">it's<", ">epoch 3<", ">x_0<", ">x_1<",
                             ">probability 1/2<", ">class 1<", ">probability of class 1<"})
        BOOST_TEST(holds(svg, text), text);
    BOOST_TEST(svg.find(">class 1<") == svg.rfind(">class 1<"));  // one legend for all
    BOOST_CHECK_THROW(optim::draw_boundaries(ramp({6, 2}), ramp({6}), {}, folder.path / "b.svg"), ValueError);
    BOOST_CHECK_THROW(optim::draw_boundaries(ramp({6, 2}), ramp({6}), boundaries, folder.path / "b.svg", "", -1),
                      ValueError);
}

BOOST_AUTO_TEST_CASE(mistakes) {
    const Variable images(ramp({4, 1, 1, 2}));
    Array said = Array::uninitialized({4, 3}, float32);
    // right; 0.5 for 0 and 1, of which the first counts; wrong; wrong with the greatest confidence
    const float shares[12] = {0.75f, 0.25f, 0, 0.5f, 0.5f, 0, 0.25f, 0.125f, 0.625f, 0, 1, 0};
    std::copy(shares, shares + 12, said.mutable_data<float>());
    const IntArray labels{0, 1, 0, 2};
    const auto tiles = optim::worst_mistakes(images, Variable(said), labels, {"cat", "dog", "cow"});
    BOOST_REQUIRE(tiles.size() == 3u);
    BOOST_TEST(tiles[0].title == "dog 100 %, is cow");
    BOOST_TEST(tiles[1].title == "cow 62 %, is cat");
    BOOST_TEST(tiles[2].title == "cat 50 %, is dog");
    BOOST_TEST((tiles[0].image.shape() == Shape{1, 2}));
    BOOST_TEST((tiles[0].image.at(0) == 3 && tiles[0].image.at(1) == 4));
    BOOST_TEST(optim::worst_mistakes(images, Variable(said), labels, {"cat", "dog", "cow"}, 1).size() == 1u);
    BOOST_TEST(optim::worst_mistakes(images, Variable(said), IntArray{0, 0, 2, 1}, {"cat", "dog", "cow"}).empty());
    BOOST_CHECK_THROW(optim::worst_mistakes(images, Variable(said), labels, {"cat", "dog"}), ShapeError);
    BOOST_CHECK_THROW(optim::worst_mistakes(images, Variable(said), IntArray{0, 1}, {"cat", "dog", "cow"}), ShapeError);
    BOOST_CHECK_THROW(optim::worst_mistakes(images, Variable(said), IntArray{0, 1, 3, 0}, {"cat", "dog", "cow"}),
                      ValueError);
    BOOST_CHECK_THROW(optim::worst_mistakes({}, Variable(said), labels, {"cat", "dog", "cow"}), ShapeError);
}

BOOST_AUTO_TEST_CASE(confusion, *boost::unit_test::precondition(gnuplot_is_here)) {
    const Folder folder;
    const fs::path path = folder.path / "it's confusing.svg";
    BOOST_TEST(optim::draw_confusion(counts_3(), names_3, path));
    const std::string svg = contents(path);
    for (const char* text : {">T_shirt<", "a&lt;b &amp; 'c'", ">\\alpha^{2}<", "12 of 15 right", ">7<"})
        BOOST_TEST(holds(svg, text), text);

    IntArray many = IntArray::from_shape({47, 47});
    many.fill(2);
    std::vector<std::string> characters(47, "x");
    characters[46] = "q";
    BOOST_TEST(optim::draw_confusion(many, characters, folder.path / "many.svg"));
    const std::string large = contents(folder.path / "many.svg");
    std::size_t names = 0;  // on the left, below and above
    for (std::size_t at = large.find(">q<"); at != std::string::npos; at = large.find(">q<", at + 1)) ++names;
    BOOST_TEST(names == 3u);
}

BOOST_AUTO_TEST_CASE(images, *boost::unit_test::precondition(gnuplot_is_here)) {
    const Folder folder;
    const std::vector<optim::Tile> tiles{{ramp({2, 3}), "said Shirt 0.98, is Coat"},
                                         {ramp({1, 4, 4}), "two\nlines"},
                                         {Array::filled({2, 2}, float32, NAN), "nan"}};
    BOOST_TEST(optim::draw_contact_sheet(tiles, folder.path / "sheet.svg", "Worst mistakes"));
    BOOST_TEST(holds(contents(folder.path / "sheet.svg"), ">said Shirt 0.98, is<"));  // broken where it is too long
    BOOST_TEST(holds(contents(folder.path / "sheet.svg"), ">two<"));
    BOOST_TEST(optim::draw_contact_sheet({{Array::filled({2, 2}, float32, 1), ""}}, folder.path / "flat.png"));
    BOOST_TEST(optim::draw_filters(ramp({5, 1, 3, 3}), folder.path / "filters.png"));
    BOOST_TEST(optim::draw_filters(ramp({2, 3, 2, 4}), folder.path / "filters.svg"));
    BOOST_TEST(optim::draw_boundary(ramp({6, 2}), ramp({6}), half_plane, folder.path / "plane.svg"));
    BOOST_TEST(optim::draw_boundary(ramp({6, 2}), ramp({6}), nullptr, folder.path / "points.png"));
    const std::vector<optim::DrawnFunction> functions{{"a<b", [](const Variable& x) { return exp(x); }},
                                                      {"one", [](const Variable& x) { return equal(x, x); }}};
    BOOST_TEST(optim::draw_functions(functions, -1, 1, folder.path / "functions.svg", "Two", "logit"));
    for (const char* text : {">a&lt;b<", ">second derivative<", ">logit<", ">Two<"})
        BOOST_TEST(holds(contents(folder.path / "functions.svg"), text), text);
    BOOST_TEST(optim::draw_functions({functions[1]}, -1, 1, folder.path / "one.png", "", "x", 0));
}

BOOST_AUTO_TEST_CASE(numbers_without_gnuplot) {
    const Folder folder;
    const NoPrograms none;
    BOOST_TEST(!history_of(2).draw(folder.path / "curves.svg"));
    BOOST_TEST(contents(folder.path / "curves.csv") == history_of(2).csv());
    BOOST_TEST(!optim::draw_confusion(counts_3(), {"a", "b,c", "d"}, folder.path / "confusion.svg"));
    BOOST_TEST(contents(folder.path / "confusion.csv") ==
               "truth\\prediction,a,\"b,c\",d\na,5,1,0\n\"b,c\",0,7,2\nd,0,0,0\n");
    BOOST_TEST(!optim::draw_contact_sheet({{ramp({2, 2}), "is x"}}, folder.path / "sheet.png"));
    BOOST_TEST(contents(folder.path / "sheet.csv") == "is x,-3,-2,-1,0\n");
    BOOST_TEST(!optim::draw_filters(ramp({2, 1, 1, 2}), folder.path / "filters.png"));
    BOOST_TEST(contents(folder.path / "filters.csv") == "0.0,-3,-2\n1.0,-1,0\n");
    BOOST_TEST(!optim::draw_boundary(ramp({2, 2}), ramp({2}), nullptr, folder.path / "plane.svg"));
    BOOST_TEST(contents(folder.path / "plane.csv") == "x,y,label\n-3,-2,-3\n-1,0,-2\n");
    BOOST_TEST(!fs::exists(folder.path / "plane.svg"));
}

BOOST_AUTO_TEST_CASE(texts) {
    BOOST_TEST(optim::quoted("it's\n{x}_1") == "'it''s {x}_1'");
    BOOST_TEST(optim::csv_cell("a\"b") == "\"a\"\"b\"");
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    const Folder folder;
    BOOST_CHECK_THROW(history_of(2).draw(folder.path / "curves.pdf"), ValueError);
    BOOST_CHECK_THROW(optim::History().draw(folder.path / "curves.svg"), ValueError);
    BOOST_CHECK_THROW(history_of(2).draw("/dev/null/curves.svg"), DataError);
    BOOST_CHECK_THROW(optim::draw_confusion(IntArray{{1, 2}}, {}, folder.path / "c.svg"), ShapeError);
    BOOST_CHECK_THROW(optim::draw_confusion(counts_3(), {"a"}, folder.path / "c.svg"), ShapeError);
    BOOST_CHECK_THROW(optim::draw_confusion(IntArray{{1, 0}, {-1, 1}}, {}, folder.path / "c.svg"), ValueError);
    BOOST_CHECK_THROW(optim::draw_contact_sheet({}, folder.path / "s.svg"), ValueError);
    BOOST_CHECK_THROW(optim::draw_contact_sheet({{ramp({3}), ""}}, folder.path / "s.svg"), ShapeError);
    BOOST_CHECK_THROW(optim::draw_filters(ramp({3, 3}), folder.path / "f.svg"), ShapeError);
    BOOST_CHECK_THROW(optim::draw_boundary(ramp({3, 3}), ramp({3}), nullptr, folder.path / "b.svg"), ShapeError);
    BOOST_CHECK_THROW(optim::draw_boundary(ramp({3, 2}), ramp({2}), nullptr, folder.path / "b.svg"), ShapeError);
}

BOOST_AUTO_TEST_SUITE_END()
