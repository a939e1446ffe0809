// Batch normalisation followed by SiLU, forward and backward, in two sweeps over memory each.
//
// torch takes four operations for it, and each reads and writes the whole tensor. Here a tensor is
// a matrix: a row for each pixel of each image, a column for each channel. Values are float or
// bfloat16, arithmetic is float. Sums are formed over parts of a fixed number of rows and then
// added up in order and in double precision, so they do not depend on the number of threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace {

constexpr int kLanes = 16;               // channels that are worked on together
constexpr int64_t kPartValues = 1 << 15;  // most of a part, so that every thread has some
constexpr int64_t kPartRows = 256;        // most of a part, so that its sums stay exact
constexpr int64_t kTileValues = 1 << 10;  // most of a tile, so that it stays in the fastest cache

typedef float Floats __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Words __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Shorts __attribute__((vector_size(kLanes * 2)));

struct bfloat16 {
    uint16_t bits;
};

inline Floats load(const float* from) {
    Floats values;
    std::memcpy(&values, from, sizeof values);
    return values;
}

inline Floats load(const bfloat16* from) {
    Shorts bits;
    std::memcpy(&bits, from, sizeof bits);
    return (Floats)(__builtin_convertvector(bits, Words) << 16);
}

inline void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

inline void store(bfloat16* to, Floats values) {  // to the nearest, ties to even
#ifdef __AVX512BF16__
    // One instruction for the nine below; only values too small to be normal differ: they become 0.
    const __m256bh shorts = _mm512_cvtneps_pbh((__m512)values);
#else
    const Words bits = (Words)values;
    const Words rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    const Words kept = (bits & 0x7FFFFFFF) <= 0x7F800000 ? rounded : (Words){} + 0x7FC0;
    const Shorts shorts = __builtin_convertvector(kept, Shorts);
#endif
    std::memcpy(to, &shorts, sizeof shorts);
}

// The first `count` values, the rest 0.
template <typename T>
inline Floats load(const T* from, int count) {
    if (count == kLanes) return load(from);
    T padded[kLanes] = {};
    std::memcpy(padded, from, count * sizeof(T));
    return load(padded);
}

template <typename T>
inline void store(T* to, Floats values, int count) {
    if (count == kLanes) return store(to, values);
    T padded[kLanes];
    store(padded, values);
    std::memcpy(to, padded, count * sizeof(T));
}

// 1 / (1 + exp(-x)), with exp as 2^n exp(r), |r| <= ln(2) / 2, and a polynomial for exp(r).
inline Floats sigmoid(Floats x) {
    const Floats zero = {};
    const Floats bounded = -x > 87.0f ? zero + 87.0f : (-x < -87.0f ? zero - 87.0f : -x);
    const Floats magic = zero + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const Floats shifted = bounded * 1.44269504f + magic;
    const Floats n = shifted - magic;
    const Floats r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    Floats p = zero + 1.0f / 720;
    for (const float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        p = p * r + coefficient;
    const Floats power = (Floats)(((Words)shifted << 23) + 0x3F800000);
    return 1.0f / (1.0f + p * power);
}

int64_t part_rows(int64_t channels) {
    return std::max<int64_t>(1, std::min(kPartRows, kPartValues / channels));
}

// Calls work(first row, last row, part, first channel, number of channels) for all rows and
// channels: a part is cut into tiles of rows, which come in order, and each into channels.
template <typename Work>
void sweep(int64_t rows, int64_t channels, const Work& work) {
    const int64_t size = part_rows(channels);
    const int64_t tile = std::max<int64_t>(1, kTileValues / channels);
    const int64_t parts = (rows + size - 1) / size;
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t end = std::min(rows, (part + 1) * size);
        for (int64_t first = part * size; first < end; first += tile)
            for (int64_t channel = 0; channel < channels; channel += kLanes) {
                const int64_t last = std::min(end, first + tile);
                if (channel + kLanes <= channels)  // a constant number makes a faster copy of work
                    work(first, last, part, channel, kLanes);
                else
                    work(first, last, part, channel, static_cast<int>(channels - channel));
            }
    }
}

// Two sums for each part and channel, at first 0.
struct Sums {
    int64_t channels;
    std::vector<float> values;
    Sums(int64_t rows, int64_t channels) : channels(channels) {
        const int64_t size = part_rows(channels);
        values.resize((rows + size - 1) / size * 2 * channels);
    }
    float* at(int64_t part, int which) { return &values[(part * 2 + which) * channels]; }
    double total(int which, int64_t channel) const {
        double sum = 0;
        for (size_t place = which * channels + channel; place < values.size(); place += 2 * channels)
            sum += values[place];
        return sum;
    }
};

template <typename T>
void forward(const T* x, T* y, int64_t rows, int64_t channels, const float* weight,
             const float* bias, float* running_mean, float* running_var, float momentum,
             float epsilon, float* mean, float* inverse) {
    Sums sums(rows, channels);
    // The first row is taken off, so that squares do not cancel where the mean is large.
    sweep(rows, channels, [&](int64_t first, int64_t last, int64_t part, int64_t c, int count) {
        const Floats offset = load(x + c, count);
        Floats sum = load(sums.at(part, 0) + c, count), squares = load(sums.at(part, 1) + c, count);
        for (int64_t row = first; row < last; ++row) {
            const Floats value = load(x + row * channels + c, count) - offset;
            sum += value;
            squares += value * value;
        }
        store(sums.at(part, 0) + c, sum, count);
        store(sums.at(part, 1) + c, squares, count);
    });
    std::vector<float> scale(channels), shift(channels);
    for (int64_t c = 0; c < channels; ++c) {
        const double shifted = sums.total(0, c) / rows;
        const double variance = std::max(sums.total(1, c) / rows - shifted * shifted, 0.0);
        mean[c] = static_cast<float>(load(x + c, 1)[0] + shifted);
        inverse[c] = static_cast<float>(1 / std::sqrt(variance + epsilon));
        scale[c] = weight[c] * inverse[c];
        shift[c] = bias[c] - mean[c] * scale[c];
        const auto unbiased = static_cast<float>(variance * rows / std::max<int64_t>(rows - 1, 1));
        running_mean[c] += momentum * (mean[c] - running_mean[c]);
        running_var[c] += momentum * (unbiased - running_var[c]);
    }
    sweep(rows, channels, [&](int64_t first, int64_t last, int64_t, int64_t c, int count) {
        const Floats a = load(&scale[c], count), b = load(&shift[c], count);
        for (int64_t row = first; row < last; ++row) {
            const int64_t place = row * channels + c;
            const Floats z = load(x + place, count) * a + b;
            store(y + place, z * sigmoid(z), count);
        }
    });
}

// Rows of grad_y are `stride` values apart: it may be a few channels of a wider tensor.
template <typename T>
void backward(const T* x, const T* grad_y, int64_t stride, T* grad_x, int64_t rows,
              int64_t channels, const float* weight, const float* bias, const float* mean,
              const float* inverse, float* grad_weight, float* grad_bias) {
    Sums sums(rows, channels);
    const auto grad_z = [](Floats z, Floats grad) {
        const Floats s = sigmoid(z);
        return grad * (s + z * s * (1.0f - s));
    };
    sweep(rows, channels, [&](int64_t first, int64_t last, int64_t part, int64_t c, int count) {
        const Floats m = load(mean + c, count), d = load(inverse + c, count);
        const Floats w = load(weight + c, count), b = load(bias + c, count);
        Floats sum = load(sums.at(part, 0) + c, count);
        Floats products = load(sums.at(part, 1) + c, count);
        for (int64_t row = first; row < last; ++row) {
            const Floats normal = (load(x + row * channels + c, count) - m) * d;
            const Floats g = grad_z(normal * w + b, load(grad_y + row * stride + c, count));
            store(grad_x + row * channels + c, g, count);
            sum += g;
            products += g * normal;
        }
        store(sums.at(part, 0) + c, sum, count);
        store(sums.at(part, 1) + c, products, count);
    });
    for (int64_t c = 0; c < channels; ++c) {
        grad_bias[c] = static_cast<float>(sums.total(0, c));
        grad_weight[c] = static_cast<float>(sums.total(1, c));
    }
    const float share = 1.0f / rows;
    sweep(rows, channels, [&](int64_t first, int64_t last, int64_t, int64_t c, int count) {
        const Floats m = load(mean + c, count), d = load(inverse + c, count);
        const Floats w = load(weight + c, count);
        const Floats mean_g = load(grad_bias + c, count) * share;
        const Floats mean_product = load(grad_weight + c, count) * share;
        for (int64_t row = first; row < last; ++row) {
            const int64_t place = row * channels + c;
            const Floats normal = (load(x + place, count) - m) * d;
            const Floats g = load(grad_x + place, count);
            store(grad_x + place, w * d * (g - mean_g - normal * mean_product), count);
        }
    });
}

}  // namespace

#define PARKDET_EXPORT(T, NAME)                                                                    \
    extern "C" void norm_silu_forward_##NAME(                                                      \
        const T* x, T* y, int64_t rows, int64_t channels, const float* weight, const float* bias,  \
        float* running_mean, float* running_var, float momentum, float epsilon, float* mean,       \
        float* inverse) {                                                                          \
        forward(x, y, rows, channels, weight, bias, running_mean, running_var, momentum, epsilon,  \
                mean, inverse);                                                                    \
    }                                                                                              \
    extern "C" void norm_silu_backward_##NAME(                                                     \
        const T* x, const T* grad_y, int64_t stride, T* grad_x, int64_t rows, int64_t channels,    \
        const float* weight, const float* bias, const float* mean, const float* inverse,           \
        float* grad_weight, float* grad_bias) {                                                    \
        backward(x, grad_y, stride, grad_x, rows, channels, weight, bias, mean, inverse,           \
                 grad_weight, grad_bias);                                                          \
    }

PARKDET_EXPORT(float, float32)
PARKDET_EXPORT(bfloat16, bfloat16)
