import Foundation
import Testing

@testable import NTMServer

/// Random damage to valid bodies.
struct JSONFuzzTests {
  static let bodies = [
    #"{"input":[0.5,-1,2e3,0,1,1,0,0,1],"return":["output","heads"]}"#,
    #"{"inputs":[[1,2.25,-3.5e-2],[0,0,0]],"return":["memory"]}"#,
    #"{"model":"c\u00f6py \ud83d\ude00 é"}"#,
    #"[null,true,false,{"a":[[],{}],"b":-0.0,"c":12345678901234567890},"x",[1,"y"]]"#,
  ]

  /// No damage crashes the parser; what it takes, Foundation's takes too and gives the same.
  /// Foundation takes more: repeated fields, commas behind the last element, other encodings of
  /// Unicode.
  @Test(arguments: bodies.indices)
  func damagedBodiesAreReadAsFoundationReadsThem(_ index: Int) throws {
    var generator = SplitMix(seed: UInt64(index) + 100)
    let original = Array(Self.bodies[index].utf8)
    var taken = 0
    var refused = 0
    for _ in 0..<3000 {
      var body = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) { damage(&body, &generator) }
      let theirs = try? JSONSerialization.jsonObject(
        with: Data(body), options: .fragmentsAllowed)
      switch Result(catching: { () throws(JSONError) in try JSONParser.parse(body) }) {
      case .success(let ours):
        taken += 1
        if let theirs {
          #expect(matches(ours, theirs), "\(String(decoding: body, as: UTF8.self))")
        } else {
          #expect(isBeyondFoundation(ours), "\(String(decoding: body, as: UTF8.self))")
        }
      case .failure(let error):
        refused += 1
        #expect((0...body.count).contains(error.offset))
        if theirs != nil {
          #expect(
            error.reason.hasSuffix("is there twice") || body.starts(with: [0xEF, 0xBB, 0xBF])
              || body.contains(0) || hasTrailingComma(body),
            "\(String(decoding: body, as: UTF8.self)): \(error)")
        }
      }
    }
    // The damage is neither harmless nor hopeless.
    #expect(taken > 100 && refused > 100)
  }

  private func damage(_ body: inout [UInt8], _ generator: inout SplitMix) {
    let words = [
      "\"", "\\", "\\u", "[", "]", "{", "}", ",", ":", "-", "+", ".", "e", "0", "1e400", "1e-400",
      "NaN", "null", " ", "\n", "\0", "\u{FEFF}", "é", "\\ud800", "9999999999999999999999",
    ]
    let place = Int.random(in: 0..<max(1, body.count), using: &generator)
    guard !body.isEmpty else {
      body = Array(words.randomElement(using: &generator)!.utf8)
      return
    }
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: body[place] = UInt8.random(in: 0...255, using: &generator)
    case 1: body.remove(at: place)
    case 2: body.removeSubrange(place...)
    case 3: body.insert(contentsOf: words.randomElement(using: &generator)!.utf8, at: place)
    case 4:
      let end = Int.random(in: place...body.count, using: &generator)
      body.insert(contentsOf: body[place..<end], at: place)
    default:
      let digit = UInt8.random(in: UInt8(ascii: "0")...UInt8(ascii: "9"), using: &generator)
      if let found = body[place...].firstIndex(where: { (0x30...0x39).contains($0) }) {
        body[found] = digit
      }
    }
  }

  private func matches(_ ours: JSONValue, _ theirs: Any) -> Bool {
    switch ours {
    case .null: theirs is NSNull
    case .bool(let bool): theirs as? Bool == bool
    case .number(let number): equals(number, theirs)
    case .wholeNumber(let number): (theirs as? NSNumber)?.uint64Value == number
    case .string(let string): (theirs as? String).map { isSame(string, $0) } ?? false
    case .numbers(let numbers):
      (theirs as? [Any]).map { $0.count == numbers.count && zip(numbers, $0).allSatisfy(equals) }
        ?? false
    case .list, .rows:
      (theirs as? [Any]).map { theirs in
        let list = JSONList(ours) ?? .empty
        return theirs.count == list.count && zip(list, theirs).allSatisfy(matches)
      } ?? false
    case .object(let fields):
      (theirs as? [String: Any]).map { theirs in
        theirs.count == fields.count
          && fields.allSatisfy { name, value in
            theirs.contains { isSame(name, $0.key) && matches(value, $0.value) }
          }
      } ?? false
    }
  }

  /// Foundation rounds what is beyond 64 bits less well than `strtod`, with which the tests of the
  /// parser compare.
  private func equals(_ ours: Double, _ theirs: Any) -> Bool {
    guard let number = theirs as? NSNumber else { return false }
    return abs(number.doubleValue - ours) <= 1e-14 * abs(ours)
  }

  /// Foundation drops byte-order marks within strings.
  private func isSame(_ ours: String, _ theirs: String) -> Bool {
    String(ours.unicodeScalars.filter { $0 != "\u{FEFF}" })
      == String(theirs.unicodeScalars.filter { $0 != "\u{FEFF}" })
  }

  private func hasTrailingComma(_ body: [UInt8]) -> Bool {
    String(decoding: body, as: UTF8.self).contains(/,\s*[\]}]/)
  }

  /// Numbers outside a double's range are JSON; Foundation refuses them.
  private func isBeyondFoundation(_ value: JSONValue) -> Bool {
    func isBeyond(_ number: Double) -> Bool { !number.isNormal }
    return switch value {
    case .null, .bool, .wholeNumber, .string: false
    case .number(let number): isBeyond(number)
    case .numbers(let numbers): numbers.contains(where: isBeyond)
    case .rows(let rows): rows.numbers.contains(where: isBeyond)
    case .list(let list): list.contains(where: isBeyondFoundation)
    case .object(let fields): fields.contains { isBeyondFoundation($0.value) }
    }
  }
}
