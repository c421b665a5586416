import Foundation
import Testing

@testable import NTMServer

/// Numbers, beside the C library's.
struct JSONNumberTests {
  private func read(_ text: String) throws -> (value: Double, end: Int) {
    try Array(text.utf8).withUnsafeBufferPointer { bytes in
      var number = JSONNumber(bytes, from: 0)
      return (try number.read(), number.end)
    }
  }

  @Test func theNearestDoubleOfAnyNumber() throws {
    var generator = SplitMix(seed: 9)
    func digits(_ range: ClosedRange<Int>) -> String {
      (0..<Int.random(in: range, using: &generator)).reduce("") { text, _ in
        text + "\(Int.random(in: 0...9, using: &generator))"
      }
    }
    for _ in 0..<50_000 {
      var text = Bool.random(using: &generator) ? "-" : ""
      text +=
        Bool.random(using: &generator)
        ? "0" : "\(Int.random(in: 1...9, using: &generator))" + digits(0...22)
      if Bool.random(using: &generator) { text += "." + digits(1...22) }
      if Bool.random(using: &generator) {
        text += ["e", "E"].randomElement(using: &generator)!
        text += ["", "+", "-"].randomElement(using: &generator)! + digits(1...3)
      }
      let (value, end) = try read(text + ["", ",", " ", "]"].randomElement(using: &generator)!)
      #expect(value.bitPattern == strtod(text, nil).bitPattern, "\(text)")
      #expect(end == text.utf8.count, "\(text)")
    }
  }

  @Test(arguments: [
    "0", "-0", "0.0", "-0.0e5", "1e22", "1e23", "9007199254740992", "9007199254740993",
    "9007199254740993e-3", "18446744073709551615", "18446744073709551616", "1e400", "-1e400",
    "1e-400", "1e99999999999999999999", "0e99999999999999999999", "2.2250738585072011e-308",
    "0.1000000000000000055511151231257827", "123456789012345678901234567890e-20",
  ])
  func edges(_ text: String) throws {
    #expect(try read(text).value.bitPattern == strtod(text, nil).bitPattern)
  }
}
