// What a float32's last binary place is in units of its last decimal one, for every exponent: a
// table that is computed, and checked, while this is compiled.

#pragma once

#include <cstdint>

namespace decimals {

/// A finite float32 is c * 2^q, c < 2^24. Its exponent field is q + 150, but 0 for the subnormal
/// numbers, which have the same q as those whose field is 1.
constexpr int exponent_bias = 150;
constexpr int lowest_field = 1, highest_field = 254;

/// log10(2) and log10(4/3) times 2^12: near enough for the exponents of float32.
constexpr int log10_of_2 = 1233, log10_of_4_thirds = 512, log10_places = 12;

/// floor(log10(2^q)), or floor(log10(3/4 * 2^q)): the exponent of a number's last decimal place,
/// for all but the lowest c of an exponent, and for that.
constexpr int last_place(int q, bool has_less_below) {
  return (q * log10_of_2 - (has_less_below ? log10_of_4_thirds : 0)) >> log10_places;
}

/// Behind the point of a scale.
constexpr int scale_places = 60;

/// Scales by exponent fields: 2^q / 10^k, rounded up, where k is the last place. They are exact for
/// k from -26 to 0. Fields of infinite numbers, which nobody may write, are there to be read.
struct Scales {
  static constexpr int fields = 256;
  /// The second half is for has_less_below.
  std::uint64_t scale[2 * fields];
};

/// A whole number, its lowest 32 bits first.
struct Whole {
  static constexpr int words = 12;
  std::uint32_t word[words] = {};

  constexpr void multiply_by_ten() {
    std::uint64_t carry = 0;
    for (int i = 0; i < words; i++) {
      carry += std::uint64_t{word[i]} * 10;
      word[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }

  /// Leaves the remainder out.
  constexpr void divide_by_ten() {
    std::uint64_t rest = 0;
    for (int i = words - 1; i >= 0; i--) {
      rest = rest << 32 | word[i];
      word[i] = static_cast<std::uint32_t>(rest / 10);
      rest %= 10;
    }
  }

  constexpr std::uint64_t word_at(int i) const { return i < words ? word[i] : 0; }

  /// 64 bits from one on, and whether there are any below.
  constexpr std::uint64_t bits_from(int first) const {
    int i = first / 32, shift = first % 32;
    std::uint64_t low = word_at(i) | word_at(i + 1) << 32;
    return shift == 0 ? low : low >> shift | word_at(i + 2) << (64 - shift);
  }
  constexpr bool has_bits_below(int first) const {
    for (int i = 0; i < first / 32; i++)
      if (word[i] != 0) return true;
    return (word[first / 32] & ((std::uint32_t{1} << first % 32) - 1)) != 0;
  }
};

constexpr Scales make_scales() {
  // 10^-k with 224 bits behind the point, from k = 0 down and from 1 up. The latter is cut off, and
  // never is exact.
  constexpr int places = 224;
  constexpr int lowest = last_place(lowest_field - exponent_bias, false);
  constexpr int highest = last_place(highest_field - exponent_bias, false);
  Scales scales = {};
  for (int direction = -1; direction <= 1; direction += 2) {
    Whole power;
    power.word[places / 32] = 1;
    for (int k = direction < 0 ? 0 : 1; k >= lowest && k <= highest; k += direction) {
      if (k > 0) power.divide_by_ten();
      for (int less = 0; less <= 1; less++) {
        for (int field = lowest_field; field <= highest_field; field++) {
          int q = field - exponent_bias;
          if (last_place(q, less == 1) != k) continue;
          int first = places - scale_places - q;
          scales.scale[less * Scales::fields + field] =
              power.bits_from(first) + (k > 0 || power.has_bits_below(first) ? 1 : 0);
        }
      }
      if (k <= 0) power.multiply_by_ten();
    }
  }
  scales.scale[0] = scales.scale[lowest_field];
  return scales;
}

alignas(64) inline constexpr Scales scales = make_scales();

/// Whether 10^k <= 2^q < 10^(k + 1) for all of them, and the same for 3/4 * 2^q, but not of the
/// lowest normal number: the subnormal ones below it have its spacing.
constexpr bool last_places_are_right() {
  constexpr std::uint64_t one = std::uint64_t{1} << scale_places;
  for (int field = lowest_field; field <= highest_field; field++) {
    std::uint64_t scale = scales.scale[field], less = scales.scale[Scales::fields + field];
    if (scale < one || scale >= 10 * one) return false;
    if (field > lowest_field && (less / 4 * 3 < one || less / 4 * 3 >= 10 * one)) return false;
  }
  return true;
}
static_assert(last_places_are_right());

}  // namespace decimals
