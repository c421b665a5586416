// Where the characters of a decimal go, for every sign, exponent and number of digits: a table, so
// that a number is laid out by one shuffle of 16 bytes, without a branch that its kind decides.

#pragma once

#include <cstdint>

#include "CDecimals.h"

namespace decimals {

/// The digits of a float32 decimal, at most.
constexpr int most_digits = 9;

/// The bytes that a decimal is made of, in the order that shuffles take them in: its digits but the
/// first, the first, and the others.
enum Part : std::uint8_t {
  later_digits = 0,
  first_digit = 8,
  point,
  letter_e,
  exponent_sign,
  exponent_tens,
  exponent_ones,
  comma,
  minus,
  parts
};
// As many as a shuffle takes. It also writes so many characters, for each of which there is room.
static_assert(parts == 16 && parts == DECIMALS_LONGEST + 1);

/// Exponents below and above these are always written: 0.000012 is longer than 1.2e-05, and beyond
/// 2^24, which has the upper one, decimals without an exponent have digits that say nothing.
constexpr int lowest_fixed = -4, highest_fixed = 7;
/// 2^24, as the bits of the float32.
constexpr std::uint32_t largest_fixed = 0x4b800000;

/// The exponents that have layouts: the two at the ends stand for all beyond.
constexpr int lowest_exponent = lowest_fixed - 1, highest_exponent = highest_fixed + 1;

constexpr int layout_index(int exponent, bool is_negative, int digits) {
  return ((exponent - lowest_exponent) * 2 + is_negative) * most_digits + digits - 1;
}

constexpr int layout_count = layout_index(highest_exponent, true, most_digits) + 1;

struct Layouts {
  /// The part that is the next character.
  std::uint8_t part[layout_count][parts];
  /// Characters, with the comma.
  std::uint8_t length[layout_count];
};

/// Whether d.dd * 10^exponent is written without an exponent: if that is not longer, as
/// std::to_chars has it, which leaves out the zero of 10.0 and so does not count it.
constexpr bool is_fixed(int exponent, int digits) {
  if (exponent < lowest_fixed || exponent > highest_fixed) return false;
  int scientific = digits + (digits > 1 ? 1 : 0) + 4;
  int whole = exponent + 1;
  int fixed = whole <= 0 ? 2 - whole + digits : digits <= whole ? whole : digits + 1;
  return fixed <= scientific;
}

/// Writes a layout's parts, one after the other.
struct LayoutWriter {
  std::uint8_t *part;
  int length = 0;

  constexpr void add(int next) { part[length++] = static_cast<std::uint8_t>(next); }
  constexpr void add_digit(int i) { add(i == 0 ? first_digit : later_digits + i - 1); }
  // The exponent has a zero where it has no tens, which is so in all that is written without it.
  constexpr void add_zero() { add(exponent_tens); }

  constexpr void add_fixed(int exponent, int digits) {
    int i = 0;
    if (exponent < 0) add_zero();
    for (; i <= exponent; i++) i < digits ? add_digit(i) : add_zero();
    add(point);
    for (int zeros = -1 - exponent; zeros > 0; zeros--) add_zero();
    if (i >= digits) add_zero();
    for (; i < digits; i++) add_digit(i);
  }

  constexpr void add_scientific(int digits) {
    add_digit(0);
    if (digits > 1) add(point);
    for (int i = 1; i < digits; i++) add_digit(i);
    add(letter_e);
    add(exponent_sign);
    add(exponent_tens);
    add(exponent_ones);
  }
};

constexpr Layouts make_layouts() {
  Layouts layouts = {};
  for (int exponent = lowest_exponent; exponent <= highest_exponent; exponent++) {
    for (int negative = 0; negative <= 1; negative++) {
      for (int digits = 1; digits <= most_digits; digits++) {
        int index = layout_index(exponent, negative, digits);
        LayoutWriter writer = {layouts.part[index]};
        if (negative) writer.add(minus);
        is_fixed(exponent, digits) ? writer.add_fixed(exponent, digits)
                                   : writer.add_scientific(digits);
        writer.add(comma);
        layouts.length[index] = static_cast<std::uint8_t>(writer.length);
      }
    }
  }
  return layouts;
}

alignas(64) inline constexpr Layouts layouts = make_layouts();

}  // namespace decimals
