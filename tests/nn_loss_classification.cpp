#include "support/nn.hpp"

#include <limits>
#include <optional>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/detect_anomaly.hpp>

using namespace xtape;
using namespace xtape::nn_test;
using nn::Reduction;

BOOST_AUTO_TEST_SUITE(nn_loss_classification)

namespace {

const std::vector<double> zs{0.3, -1.2, 2.5, -0.7, 0.0}, ts{1, 0, 0, 1, 1};
const Variable z5 = xt::xarray<double>{0.3, -1.2, 2.5, -0.7, 0.0}, t5 = xt::xarray<double>{1, 0, 0, 1, 1};
const IntArray labels{3, 0, 0, 2, 1};
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The definition, in plain doubles.
double focal_of(double z, double t, double gamma, double positive, double negative) {
    const double p = 1 / (1 + std::exp(-z));
    return -positive * t * std::pow(1 - p, gamma) * std::log(p) -
           negative * (1 - t) * std::pow(p, gamma) * std::log(1 - p);
}

/// softmax of row n of z, in plain doubles.
std::vector<double> softmax_row(const Variable& z, Index n, double temperature = 1) {
    const Index classes = z.shape(1);
    std::vector<double> p;
    double total = 0;
    for (Index c = 0; c < classes; ++c) {
        p.push_back(std::exp(z.array().at(n * classes + c) / temperature));
        total += p.back();
    }
    for (double& each : p) each /= total;
    return p;
}

}  // namespace

BOOST_AUTO_TEST_CASE(focal_by_its_definition) {
    for (const double gamma : {0.0, 0.5, 1.0, 2.0, 3.7})
        for (const std::optional<double> alpha : {std::optional<double>(), std::optional<double>(0.25)}) {
            const double positive = alpha.value_or(1), negative = alpha ? 1 - *alpha : 1;
            for (const Variable& t : {t5, Variable(xt::xarray<double>{0.2, 0.9, 0, 1, 0.5})}) {
                std::vector<double> each;
                double total = 0;
                for (std::size_t i = 0; i < zs.size(); ++i) {
                    each.push_back(focal_of(zs[i], t.array().at(static_cast<Index>(i)), gamma, positive, negative));
                    total += each.back();
                }
                check_close(nn::focal_with_logits(z5, t, gamma, alpha, Reduction::none), {5}, each, 1e-14);
                check_close(nn::focal_with_logits(z5, t, gamma, alpha), total / 5, 1e-14);
                check_close(nn::focal_with_logits(z5, t, gamma, alpha, Reduction::sum), total, 1e-14);
                check_grads([&](const Variable& v,
                                const Variable& target) { return nn::focal_with_logits(v, target, gamma, alpha); },
                            z5, t);
            }
        }
}

/// PyTorch 1.13.1, float64, the formula of torchvision's sigmoid_focal_loss: p = sigmoid(z), q = p t + (1 - p)(1 - t),
/// (alpha t + (1 - alpha)(1 - t)) (1 - q)**gamma binary_cross_entropy_with_logits(z, t, reduction='none'), and
/// autograd.grad of its sum.
BOOST_AUTO_TEST_CASE(focal_as_in_pytorch) {
    Parameter z(z5);
    const Variable losses = nn::focal_with_logits(z, t5, 2, 0.25, Reduction::none);
    check_close(
        losses, {5},
        {0.02509831887214926, 0.01058015915158023, 1.6518525732297862, 0.12313621990412717, 0.04332169878499658},
        1e-14);
    check_close(
        grad(sum(losses), z), {5},
        {-0.04810210982882054, 0.02556419531105881, 0.8425523051660218, -0.156298473908441, -0.07457169878499659},
        1e-14);
    const Variable steep = nn::focal_with_logits(z, t5, 0.5, std::nullopt, Reduction::none);
    check_close(steep, {5},
                {0.3616323523506685, 0.12667012197854918, 2.4791458948504337, 0.9017746506920085, 0.4901290717342736},
                1e-14);
    check_close(
        grad(sum(steep), z), {5},
        {-0.3814799321381633, 0.16004162240983869, 0.9824304911748033, -0.6958050102970879, -0.47608565852684215},
        1e-14);

    // l = -log_softmax(z, 1)[range(5), y]; l * (1 - exp(-l))**1.5, and the gradient of the mean
    Parameter scores(wave({5, 4}, 1) * 3);
    check_close(nn::focal(scores, labels, 1.5, Reduction::none), {5},
                {0.5846764249606421, 1.0294329085525842, 1.8943205183475946, 0.6052273859631757, 5.105281140538839},
                1e-14);
    check_close(grad(nn::focal(scores, labels, 1.5), scores), {5, 4},
                {0.11591176659800811,  0.014179203355303422,  0.0005229044594553914, -0.13061387441276695,
                 -0.17531474365253696, 0.011641733145678481,  0.0010551607913910244, 0.1626178497154675,
                 -0.21141378794764076, 0.0007246254663289404, 0.0014216468033308926, 0.20926751567798094,
                 0.006517633468995846, 0.0004423429410690869, -0.13332038410140742,  0.1263604076913425,
                 0.006631077584841013, -0.20599507949067958,  0.18394660289579387,   0.015417399010044675},
                1e-13);
}

BOOST_AUTO_TEST_CASE(focal_without_focus_is_the_usual_loss) {
    check_close(nn::focal_with_logits(z5, t5, 0, std::nullopt), nn::bce_with_logits(z5, t5).item(), 1e-14);
    check_close(nn::focal_with_logits(z5, t5, 0, 0.5), nn::bce_with_logits(z5, t5).item() / 2, 1e-14);
    const Variable z = wave({5, 4}, 1) * 3, weights = xt::xarray<double>{0.5, 2, 1, 0.25};
    check_close(nn::focal(z, labels, 0), nn::cross_entropy(z, labels).item(), 1e-14);
    for (const Reduction reduction : {Reduction::mean, Reduction::sum})
        check_close(nn::focal(z, labels, 0, reduction, weights),
                    nn::cross_entropy(z, labels, reduction, 0, weights).item(), 1e-14);
}

BOOST_AUTO_TEST_CASE(focal_over_classes) {
    const Variable z = wave({5, 4}, 1) * 3, weights = xt::xarray<double>{0.5, 2, 1, 0.25};
    const std::vector<double> w{0.5, 2, 1, 0.25};
    for (const double gamma : {0.0, 0.5, 2.0}) {
        double total = 0, count = 0;
        for (Index n = 0; n < 5; ++n) {
            const auto label = static_cast<std::size_t>(labels(n));
            const double p = softmax_row(z, n)[label];
            total -= w[label] * std::pow(1 - p, gamma) * std::log(p);
            count += w[label];
        }
        check_close(nn::focal(z, labels, gamma, Reduction::sum, weights), total, 1e-13);
        check_close(nn::focal(z, labels, gamma, Reduction::mean, weights), total / count, 1e-13);
        check_grads([&](const Variable& v) { return nn::focal(v, labels, gamma, Reduction::mean, weights); }, z);
    }
    // Of two classes the odds are the difference: the loss of one logit.
    const Variable pair = xt::xarray<double>{{1.5, -0.25}, {0.5, 2}};
    check_close(nn::focal(pair, IntArray{1, 0}, 2), (focal_of(-1.75, 1, 2, 1, 1) + focal_of(-1.5, 1, 2, 1, 1)) / 2,
                1e-14);
    // Of one class, or one that is possible, there is nothing to lose.
    for (const double logit : {3.0, 1e38, -1e38})
        for (const Parameter& one : {Parameter(Array::filled({1, 1}, float32, logit)),
                                     Parameter(xt::xarray<double>{{logit, -infinity, -infinity}})})
            for (const double gamma : {0.0, 0.5, 2.0}) {
                const Variable nothing = nn::focal(one, IntArray{0}, gamma), slopes = grad(nothing, one, create_graph);
                for (const Variable& each : {nothing, slopes, grad(sum(slopes), one)})
                    BOOST_TEST(sum(abs(each)).item() == 0);
            }
}

BOOST_AUTO_TEST_CASE(far_logits_are_finite) {
    const DetectAnomaly guard(at_once);
    const Parameter z = xt::xarray<float>{100, -100, 100, -100, 1000, 0};
    const Variable t = xt::xarray<float>{1, 1, 0, 0, 0, 1};
    const Parameter scores = xt::xarray<float>{{100, -100, 0}, {100, -100, 0}, {-1000, 1000, 999}};
    for (const double gamma : {0.0, 0.3, 1.0, 2.0, 5.0}) {
        const Variable losses = nn::focal_with_logits(z, t, gamma, std::nullopt, Reduction::none);
        BOOST_TEST(losses.array().at(0) < 1e-30);
        BOOST_TEST(losses.array().at(1) == 100);
        BOOST_TEST(losses.array().at(2) == 100);
        BOOST_TEST(losses.array().at(4) == 1000);
        const Variable slopes = grad(sum(losses), z, create_graph);
        BOOST_TEST(all_finite(slopes.array()));
        BOOST_TEST(slopes.array().at(1) == -1);
        BOOST_TEST(slopes.array().at(2) == 1);
        BOOST_TEST(all_finite(grad(sum(slopes), z).array()));

        const Variable of_classes = nn::focal(scores, IntArray{0, 1, 0}, gamma, Reduction::none);
        BOOST_TEST(of_classes.array().at(0) < 1e-30);
        BOOST_TEST(of_classes.array().at(1) == 200);
        BOOST_TEST(std::abs(of_classes.array().at(2) - 2000.3132617) < 1e-3);
        const Variable rows = grad(sum(of_classes), scores, create_graph);
        BOOST_TEST(all_finite(rows.array()));
        BOOST_TEST(all_finite(grad(sum(rows * scores), scores).array()));
    }
    const Variable far = nn::distillation(scores, Variable(scores).detach() * -1, 1, Reduction::none);
    BOOST_TEST(all_finite(far.array()));
    BOOST_TEST(all_finite(grad(sum(far), scores).array()));
    BOOST_TEST(all_finite(nn::temperature_cross_entropy(scores, IntArray{1, 1, 0}, 0.01, Reduction::none).array()));
}

/// To where the header promises it: differences times gamma + 1, or over the temperature, near the largest float, 3.4e38.
BOOST_AUTO_TEST_CASE(the_farthest_logits) {
    const double largest = std::numeric_limits<float>::max();
    for (const double gamma : {0.0, 1.0, 2.0, 5.0}) {
        const double far = 0.99 * largest / (gamma + 1);
        const auto distance = static_cast<float>(far), half = static_cast<float>(far / 2);
        const Parameter z = xt::xarray<float>{distance, -distance, distance, -distance};
        const Variable losses =
            nn::focal_with_logits(z, Variable(xt::xarray<float>{0, 0, 1, 1}), gamma, std::nullopt, Reduction::none);
        check_close(losses, {4}, {far, 0, 0, far}, 1e-6);
        check_close(grad(sum(losses), z), {4}, {1, 0, 0, -1}, 1e-6);

        const Parameter scores = xt::xarray<float>{{half, -half}, {half, -half}};
        const Variable of_classes = nn::focal(scores, IntArray{0, 1}, gamma, Reduction::none);
        check_close(of_classes, {2}, {0, far}, 1e-6);
        check_close(grad(sum(of_classes), scores), {2, 2}, {0, 0, 1, -1}, 1e-6);

        // Where they stand does not matter: three alike are as likely each, and the least is not possible beside the others.
        const float low = -1e38F, lower = -1.2e38F, least = std::numeric_limits<float>::lowest();
        const Parameter deep = xt::xarray<float>{{low, low, low}, {low, lower, lower}, {lower, low, least}};
        const Variable of_deep = nn::focal(deep, IntArray{1, 0, 0}, gamma, Reduction::none);
        const double missed = std::pow(2.0 / 3, gamma), slope = gamma * missed * 1.5 * std::log(1.0 / 3) - 3 * missed;
        check_close(of_deep, {3}, {missed * std::log(3.0), 0, 2e37}, 1e-6);
        check_close(grad(sum(of_deep), deep), {3, 3}, {-slope / 9, slope * 2 / 9, -slope / 9, 0, 0, 0, -1, 1, 0}, 1e-6);
    }
    const Parameter z = xt::xarray<float>{{10, -10}, {10, -10}};
    const Variable cold = nn::temperature_cross_entropy(z, IntArray{0, 1}, 1e-37, Reduction::none);
    check_close(cold, {2}, {0, 2e38}, 1e-6);
    check_close(grad(sum(cold), z) * 1e-37, {2, 2}, {0, 0, 1, -1}, 1e-6);
}

BOOST_AUTO_TEST_CASE(temperatures) {
    const Variable z = wave({5, 4}, 1) * 3;
    check_close(nn::temperature_cross_entropy(z, labels, 1), nn::cross_entropy(z, labels).item(), 1e-15);
    // PyTorch 1.13.1: cross_entropy(z / 2.5, y, reduction='none')
    check_close(nn::temperature_cross_entropy(z, labels, 2.5, Reduction::none), {5},
                {1.075034703290958, 1.2150748954090806, 1.3593053376412818, 1.0397431143451552, 2.582998277926607},
                1e-14);
    double total = 0;
    for (Index n = 0; n < 5; ++n) total -= std::log(softmax_row(z, n, 0.7)[static_cast<std::size_t>(labels(n))]);
    check_close(nn::temperature_cross_entropy(z, labels, 0.7, Reduction::sum), total, 1e-13);
    check_grads([&](const Variable& v) { return nn::temperature_cross_entropy(v, labels, 0.7); }, z);
}

BOOST_AUTO_TEST_CASE(distillation_from_a_teacher) {
    Parameter student(wave({3, 4}, 1) * 3);
    const Variable teacher = wave({3, 4}, 2) * 3;
    for (const double T : {1.0, 3.0}) {
        std::vector<double> each;
        for (Index n = 0; n < 3; ++n) {
            const std::vector<double> p = softmax_row(student, n, T), q = softmax_row(teacher, n, T);
            double loss = 0;
            for (std::size_t c = 0; c < 4; ++c) loss += T * T * q[c] * std::log(q[c] / p[c]);
            each.push_back(loss);
        }
        check_close(nn::distillation(student, teacher, T, Reduction::none), {3}, each, 1e-13);
        check_grads([T](const Variable& z, const Variable& v) { return nn::distillation(z, v, T); }, student, teacher);
    }
    // PyTorch 1.13.1: 9 * kl_div(log_softmax(z / 3, 1), softmax(v / 3, 1), reduction='batchmean')
    const Variable loss = nn::distillation(student, teacher, 3);
    check_close(loss, 1.2502891692455467, 1e-14);
    check_close(grad(loss, student), {3, 4},
                {0.01303873950371017, 0.12577194824027782, -0.051932594403662935, -0.08687809334032502,
                 0.1671527777039964, 0.08964926083879383, -0.1270903628473307, -0.1297116756954596, 0.1639446149023798,
                 -0.06951201899073788, -0.14543348701900463, 0.05100089110736272},
                1e-14);
    check_close(nn::distillation(student, Variable(student).detach(), 2), 0, 1e-15);  // nothing left to learn
}

BOOST_AUTO_TEST_CASE(distillation_of_masked_classes) {
    const double T = 2;
    Parameter student = xt::xarray<double>{{1, 2, 3}}, teacher = xt::xarray<double>{{1, 2.5, -infinity}};
    const std::vector<double> p = softmax_row(student, 0, T), q = softmax_row(teacher, 0, T);
    const Variable loss = nn::distillation(student, teacher, T);
    const double lacking = q[0] * std::log(q[0] / p[0]) + q[1] * std::log(q[1] / p[1]);
    check_close(loss, T * T * lacking, 1e-14);
    const auto [of_student, of_teacher] = grad(loss, student, teacher, create_graph);
    check_close(of_student, {1, 3}, {T * (p[0] - q[0]), T * (p[1] - q[1]), T * p[2]}, 1e-14);
    check_close(of_teacher, {1, 3},
                {T * q[0] * (std::log(q[0] / p[0]) - lacking), T * q[1] * (std::log(q[1] / p[1]) - lacking), 0}, 1e-14);
    for (const Variable& second : grad(sum(square(of_student)) + sum(square(of_teacher)), student, teacher))
        BOOST_TEST(all_finite(second.array()));
    // Masked for both it is a loss of two classes.
    const Variable two = xt::xarray<double>{{1, 2}}, masked = xt::xarray<double>{{1, 2, -infinity}};
    check_close(nn::distillation(masked, teacher, T),
                nn::distillation(two, Variable(xt::xarray<double>{{1, 2.5}}), T).item(), 1e-14);
    BOOST_TEST(nn::distillation(masked, student, T).item() == infinity);
    // As near to 0 as float32 has it.
    BOOST_TEST(nn::distillation(Variable(xt::xarray<float>{{0, -std::numeric_limits<float>::infinity()}}),
                                Variable(xt::xarray<float>{{0, -200}}), 1)
                   .item() == 0);
}

BOOST_AUTO_TEST_CASE(arguments_must_fit) {
    const Variable column = wave({4, 1}, 1), row = wave({4}, 2), z = wave({3, 4}, 1);
    const int line = __LINE__ + 1;
    BOOST_TEST(message<ShapeError>([&] { nn::focal_with_logits(column, row); }) ==
               "focal_with_logits: prediction and target must have the same shape: (4, 1) != (4,)\n"
               "  recorded at nn_loss_classification.cpp:" +
                   std::to_string(line));
    check_contains(message<ValueError>([&] { nn::focal_with_logits(row, row, -1); }),
                   "focal_with_logits: gamma must not be negative: -1\n  recorded at nn_loss_classification.cpp");
    check_contains(message<ValueError>([&] { nn::focal_with_logits(row, row, 2, 1.5); }),
                   "focal_with_logits: alpha must be in [0, 1]: 1.5");
    check_contains(message<DtypeError>([&] { nn::focal_with_logits(row, astype(row, float32)); }), "float32");
    check_contains(message<ValueError>([&] {
                       nn::focal(z, IntArray{0, 4, 1});
                   }),
                   "focal: the label at position 1 must be in [0, 4): 4");
    check_contains(message<ValueError>([&] { nn::focal(z, IntArray{0, 3, 1}, -2); }), "focal: gamma");
    check_contains(message<ValueError>([&] {
                       nn::temperature_cross_entropy(z, IntArray{0, 1, 2}, 0);
                   }),
                   "temperature_cross_entropy: temperature must be above 0: 0");
    check_contains(message<ShapeError>([&] {
                       nn::temperature_cross_entropy(z, IntArray{0, 1}, 1);
                   }),
                   "temperature_cross_entropy: there must be one label");
    check_contains(message<ShapeError>([&] {
                       nn::distillation(z, wave({3, 1}, 2));
                   }),
                   "distillation: student and teacher must have the same shape: (3, 4) != (3, 1)");
    check_contains(message<ValueError>([&] { nn::distillation(z, z, -1); }), "distillation: temperature");
    check_contains(message<ShapeError>([&] { nn::distillation(row, row); }), "must be (N, C): (4,) has 1 axes");
    check_contains(message<ValueError>([&] { nn::distillation(z, Variable()); }), "the teacher has no value");
}

BOOST_AUTO_TEST_SUITE_END()
