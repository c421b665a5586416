// Holds every variant of CDecimals that this processor runs to std::to_chars, for every finite
// float32.
//
//   exhaustive [stride [first]]
//
// With a stride, only the patterns of bits that it meets from the first (0) on are compared: 2 0
// and 2 1 are the two halves of the work. The numbers come in arrays of all lengths up to 67, so
// that they meet all places in a vector and all kinds of rests. Nothing may be written beyond an
// array's room.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "CDecimals.h"
#include "variants.h"

namespace {

constexpr std::size_t room = DECIMALS_LONGEST + 1;

/// Beyond it, decimals without an exponent have digits that say nothing.
constexpr float largest_with_exact_digits = 16777216;

/// What a number has to look like: the shorter of both notations, fixed if they are alike, which is
/// std::to_chars' own choice.
char *write_expected(float value, char *text) {
  char *end = text + DECIMALS_LONGEST;
  if (std::fabs(value) > largest_with_exact_digits)
    return std::to_chars(text, end, value, std::chars_format::scientific).ptr;
  char *last = std::to_chars(text, end, value).ptr;
  std::size_t count = static_cast<std::size_t>(last - text);
  // Readers that know whole numbers take one for such, and lose the sign of zero.
  if (value == std::trunc(value) && !std::memchr(text, 'e', count)) {
    *last++ = '.';
    *last++ = '0';
  }
  return last;
}

float from_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// What one variant writes.
class Comparison {
 public:
  explicit Comparison(const decimals::Variant &variant) : variant(variant) {}

  void compare(const std::vector<float> &values, const std::vector<char> &expected) {
    std::size_t end = values.size() * room;
    written.assign(end + guard, guard_character);
    std::size_t count = variant.write(values.data(), values.size(), written.data());
    bool is_same = count == expected.size() && !std::memcmp(expected.data(), written.data(), count);
    for (std::size_t i = end; i < end + guard; i++) is_same &= written[i] == guard_character;
    if (!is_same) report(values);
    compared += values.size();
  }

  bool is_right() const {
    std::printf("%s: compared %llu, different %llu\n", variant.name, compared, different);
    return different == 0 && compared > 0;
  }

 private:
  static constexpr std::size_t guard = 64;
  static constexpr char guard_character = '#';
  static constexpr int most_reports = 20;

  const decimals::Variant &variant;
  unsigned long long compared = 0, different = 0;
  std::vector<char> written;

  void report(const std::vector<float> &values) {
    // Which of its numbers are, by themselves; if none is, the array counts as one.
    unsigned long long before = different;
    for (float value : values) {
      char right[room], wrong[room];
      char *end = write_expected(value, right);
      std::string_view expected(right, static_cast<std::size_t>(end - right));
      std::string_view actual(wrong, variant.write(&value, 1, wrong));
      if (expected == actual) continue;
      if (different++ < most_reports)
        std::printf("%s: %a is %.*s, not %.*s\n", variant.name, static_cast<double>(value),
                    static_cast<int>(expected.size()), right, static_cast<int>(actual.size()),
                    wrong);
    }
    if (different > before) return;
    if (different++ < most_reports)
      std::printf("%s: an array of %zu from %a on\n", variant.name, values.size(),
                  static_cast<double>(values[0]));
  }
};

void compare(const std::vector<float> &values, std::vector<Comparison> &comparisons) {
  static std::vector<char> expected;
  expected.resize(values.size() * room);
  char *end = expected.data();
  for (float value : values) {
    if (end > expected.data()) *end++ = ',';
    end = write_expected(value, end);
  }
  expected.resize(static_cast<std::size_t>(end - expected.data()));
  for (Comparison &comparison : comparisons) comparison.compare(values, expected);
}

}  // namespace

int main(int count, char **arguments) {
  std::uint64_t stride = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  std::uint64_t first = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 0;
  if (stride == 0) {
    std::fprintf(stderr, "usage: exhaustive [stride [first]]\n");
    return 2;
  }
  std::vector<Comparison> comparisons;
  for (std::size_t i = 0; const decimals::Variant *variant = decimals::variant(i); i++)
    comparisons.emplace_back(*variant);

  constexpr std::size_t longest = 67;
  std::size_t length = 1;
  std::vector<float> values;
  for (std::uint64_t bits = first; bits <= UINT32_MAX; bits += stride) {
    float value = from_bits(static_cast<std::uint32_t>(bits));
    if (std::isfinite(value)) values.push_back(value);
    if (values.size() < length) continue;
    compare(values, comparisons);
    values.clear();
    length = length % longest + 1;
  }
  if (!values.empty()) compare(values, comparisons);

  bool all_right = true;
  for (const Comparison &comparison : comparisons) all_right &= comparison.is_right();
  return all_right ? 0 : 1;
}
