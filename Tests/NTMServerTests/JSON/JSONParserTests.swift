import Foundation
import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

struct JSONParserTests {
  // MARK: What is JSON

  @Test(arguments: [
    (text: "null", value: JSONValue.null),
    (text: "true", value: .bool(true)),
    (text: " false\n", value: .bool(false)),
    (text: "\t\r\n 1 \t\r\n", value: .number(1)),
    (text: #""""#, value: .string("")),
    (text: #""a b""#, value: .string("a b")),
    (text: #""é€😀""#, value: .string("é€😀")),
    (text: "\"\u{7F}\"", value: .string("\u{7F}")),
    (text: "\"\u{2028}\"", value: .string("\u{2028}")),
    (text: #""\"\\\/\b\f\n\r\t""#, value: .string("\"\\/\u{8}\u{C}\n\r\t")),
    (text: #""\u0041\u00e9\u20AC""#, value: .string("Aé€")),
    (text: #""\ud83d\uDE00""#, value: .string("😀")),
    (text: #""\u0000""#, value: .string("\0")),
    (text: #""\ufffe\uFFFF""#, value: .string("\u{FFFE}\u{FFFF}")),
    (text: "9007199254740992", value: .number(0x1p53)),
    (text: "9007199254740993", value: .wholeNumber(9_007_199_254_740_993)),
    (text: "18446744073709551615", value: .wholeNumber(.max)),
    (text: "18446744073709551616", value: .number(0x1p64)),
    (text: "-9007199254740993", value: .number(-0x1p53)),
    (text: "9007199254740993.0", value: .number(0x1p53)),
    (text: "[9007199254740993]", value: .numbers([0x1p53])),
    (text: "[null,9007199254740993]", value: .list([.null, .wholeNumber(9_007_199_254_740_993)])),
    (text: "[]", value: .numbers([])),
    (text: "[ ]", value: .numbers([])),
    (text: "[1]", value: .numbers([1])),
    (text: "[ 1 , -2.5e1 ,0 ]", value: .numbers([1, -25, 0])),
    (text: "[[]]", value: .rows([[]])),
    (text: " [ [ ] , [ 1 ,-2.5e1 ] , [ 0 ] ] ", value: .rows([[], [1, -25], [0]])),
    (text: "[[1],2]", value: .list([.numbers([1]), .number(2)])),
    (text: "[[1],[null]]", value: .list([.numbers([1]), .list([.null])])),
    (text: "[[[1],[]],[]]", value: .list([.rows([[1], []]), .numbers([])])),
    (text: #"["[[1],[2]]"]"#, value: .list([.string("[[1],[2]]")])),
    (text: "[1,null]", value: .list([.number(1), .null])),
    (text: "[null,1]", value: .list([.null, .number(1)])),
    (text: "[1,[2],{}]", value: .list([.number(1), .numbers([2]), .object([:])])),
    (text: "{}", value: .object([:])),
    (text: "{ }", value: .object([:])),
    (text: #"{"":0}"#, value: .object(["": .number(0)])),
    (text: #"{"a":{"a":[true]}}"#, value: .object(["a": .object(["a": .list([.bool(true)])])])),
    (text: #"{"A":1,"a":2}"#, value: .object(["A": .number(1), "a": .number(2)])),
    (
      text: " { \"a\" : 1 , \"b\" : \"}\" } ", value: .object(["a": .number(1), "b": .string("}")])
    ),
  ])
  func accepts(_ text: String, _ value: JSONValue) throws {
    #expect(try JSONParser.parse(Array(text.utf8)) == value)
  }

  @Test(arguments: [1, 8, 9, 10, 1000])
  func anObjectHasAllItsFields(_ count: Int) throws {
    let text = (0..<count).map { "\"field \($0)\":\($0)" }.joined(separator: ",")
    guard case .object(let fields) = try JSONParser.parse(Array("{\(text)}".utf8)) else {
      Issue.record("no object")
      return
    }
    #expect(fields.count == count)
    for index in 0..<count { #expect(fields["field \(index)"] == .number(Double(index))) }
    #expect(fields["field \(count)"] == nil)
    for index in Set([0, count / 2, count - 1]) {
      #expect(throws: JSONError.self, "\(index) twice") {
        try JSONParser.parse(Array("{\(text),\"field \(index)\":0}".utf8))
      }
    }
  }

  // MARK: What is not

  @Test(arguments: [
    (text: "", reason: "there is no value", offset: 0),
    (text: "  ", reason: "there is no value", offset: 2),
    (text: "nul", reason: "there is no value", offset: 3),
    (text: "nulL", reason: "there is no value", offset: 3),
    (text: "True", reason: "there is no value", offset: 0),
    (text: "nulll", reason: "something follows the value", offset: 4),
    (text: "1 2", reason: "something follows the value", offset: 2),
    (text: "{}}", reason: "something follows the value", offset: 2),
    (text: "[],", reason: "something follows the value", offset: 2),
    (text: "1//", reason: "something follows the value", offset: 1),
    (text: "1\0", reason: "something follows the value", offset: 1),
    (text: "\0", reason: "there is no value", offset: 0),
    (text: "/**/1", reason: "there is no value", offset: 0),
    (text: "#1", reason: "there is no value", offset: 0),
    (text: "'a'", reason: "there is no value", offset: 0),
    (text: "NaN", reason: "there is no value", offset: 0),
    (text: "Infinity", reason: "there is no value", offset: 0),
    (text: "-Infinity", reason: "a digit is missing", offset: 1),
    (text: "\u{FEFF}1", reason: "there is no value", offset: 0),
    (text: "\u{A0}1", reason: "there is no value", offset: 0),
    (text: "\u{C}1", reason: "there is no value", offset: 0),
    (text: "１", reason: "there is no value", offset: 0),
    // Numbers
    (text: "+1", reason: "there is no value", offset: 0),
    (text: ".5", reason: "there is no value", offset: 0),
    (text: "-", reason: "a digit is missing", offset: 1),
    (text: "--1", reason: "a digit is missing", offset: 1),
    (text: "-a", reason: "a digit is missing", offset: 1),
    (text: "01", reason: "a number begins with 0", offset: 1),
    (text: "-012", reason: "a number begins with 0", offset: 2),
    (text: "00", reason: "a number begins with 0", offset: 1),
    (text: "1.", reason: "a digit is missing", offset: 2),
    (text: "1.e5", reason: "a digit is missing", offset: 2),
    (text: "1e", reason: "a digit is missing", offset: 2),
    (text: "1e+", reason: "a digit is missing", offset: 3),
    (text: "1e+-1", reason: "a digit is missing", offset: 3),
    (text: "1E 1", reason: "a digit is missing", offset: 2),
    (text: "1.5.5", reason: "something follows the value", offset: 3),
    (text: "1e5.5", reason: "something follows the value", offset: 3),
    (text: "0x10", reason: "something follows the value", offset: 1),
    (text: "1_000", reason: "something follows the value", offset: 1),
    (text: "1f", reason: "something follows the value", offset: 1),
    (text: "1 000", reason: "something follows the value", offset: 2),
    // Lists
    (text: "[", reason: "there is no value", offset: 1),
    (text: "[1", reason: #"there is no ",""#, offset: 2),
    (text: "[1,", reason: "there is no value", offset: 3),
    (text: "[1,]", reason: "there is no value", offset: 3),
    (text: "[,1]", reason: "there is no value", offset: 1),
    (text: "[1,,2]", reason: "there is no value", offset: 3),
    (text: "[1 2]", reason: #"there is no ",""#, offset: 3),
    (text: "[1;2]", reason: #"there is no ",""#, offset: 2),
    (text: "[1}", reason: #"there is no ",""#, offset: 2),
    (text: "[null", reason: #"there is no ",""#, offset: 5),
    (text: "[null,", reason: "there is no value", offset: 6),
    (text: "[\"a\",]", reason: "there is no value", offset: 5),
    (text: "]", reason: "there is no value", offset: 0),
    // Objects
    (text: "{", reason: "there is no name of a field", offset: 1),
    (text: "{\"a\"", reason: "there is no \":\"", offset: 4),
    (text: "{\"a\":", reason: "there is no value", offset: 5),
    (text: "{\"a\":1", reason: #"there is no ",""#, offset: 6),
    (text: "{\"a\":1,", reason: "there is no name of a field", offset: 7),
    (text: "{\"a\":1,}", reason: "there is no name of a field", offset: 7),
    (text: "{\"a\" 1}", reason: "there is no \":\"", offset: 5),
    (text: "{\"a\",1}", reason: "there is no \":\"", offset: 4),
    (text: "{\"a\"::1}", reason: "there is no value", offset: 5),
    (text: "{a:1}", reason: "there is no name of a field", offset: 1),
    (text: "{'a':1}", reason: "there is no name of a field", offset: 1),
    (text: "{1:1}", reason: "there is no name of a field", offset: 1),
    (text: "{null:1}", reason: "there is no name of a field", offset: 1),
    (text: "{\"a\":1 \"b\":2}", reason: #"there is no ",""#, offset: 7),
    (text: "{\"a\":1,\"a\":2}", reason: #"the field "a" is there twice"#, offset: 7),
    (text: "{\"a\":1,\"\\u0061\":2}", reason: #"the field "a" is there twice"#, offset: 7),
    (text: "{\"a\":1]", reason: #"there is no ",""#, offset: 6),
    // Strings
    (text: "\"", reason: "a string has no end", offset: 1),
    (text: "\"abc", reason: "a string has no end", offset: 4),
    (text: "\"\\\"", reason: "a string has no end", offset: 3),
    (text: "\"\\", reason: "there is no such escape", offset: 2),
    (text: "\"a\nb\"", reason: "a string has a control character", offset: 2),
    (text: "\"a\0b\"", reason: "a string has a control character", offset: 2),
    (text: "\"\u{1F}\"", reason: "a string has a control character", offset: 1),
    (text: #""\a""#, reason: "there is no such escape", offset: 2),
    (text: #""\'""#, reason: "there is no such escape", offset: 2),
    (text: #""\x41""#, reason: "there is no such escape", offset: 2),
    (text: #""\U0041""#, reason: "there is no such escape", offset: 2),
    (text: #""\u""#, reason: "a hexadecimal digit is missing", offset: 3),
    (text: #""\u12""#, reason: "a hexadecimal digit is missing", offset: 5),
    (text: #""\u12G4""#, reason: "a hexadecimal digit is missing", offset: 5),
    (text: #""\u+123""#, reason: "a hexadecimal digit is missing", offset: 3),
    (text: #""\ud800""#, reason: "half a surrogate pair stands alone", offset: 7),
    (text: #""\udc00""#, reason: "half a surrogate pair stands alone", offset: 7),
    (text: #""\ud800\n""#, reason: "half a surrogate pair stands alone", offset: 8),
    (text: #""\ud800\u0041""#, reason: "half a surrogate pair stands alone", offset: 13),
    (text: #""\ud800\ud800""#, reason: "half a surrogate pair stands alone", offset: 13),
  ])
  func refuses(_ text: String, _ reason: String, _ offset: Int) {
    #expect(throws: JSONError(reason: reason, offset: offset)) {
      try JSONParser.parse(Array(text.utf8))
    }
  }

  @Test(arguments: [
    (name: "a continuation byte", bytes: [0x80] as [UInt8]),
    (name: "a byte that is never in UTF-8", bytes: [0xFF]),
    (name: "a sequence without end", bytes: [0xC3]),
    (name: "an overlong slash", bytes: [0xC0, 0xAF]),
    (name: "a surrogate", bytes: [0xED, 0xA0, 0x80]),
    (name: "beyond U+10FFFF", bytes: [0xF4, 0x90, 0x80, 0x80]),
  ])
  func refusesWhatIsNotUTF8(_ name: String, _ bytes: [UInt8]) {
    let quote = UInt8(ascii: "\"")
    #expect(throws: JSONError(reason: "a string is not UTF-8", offset: 1)) {
      try JSONParser.parse([0x20, quote] + bytes + [quote])
    }
    #expect(throws: JSONError(reason: "there is no value", offset: 0)) {
      try JSONParser.parse(bytes)
    }
  }

  // MARK: Depth

  @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
  func nestsToAnEnd(_ open: String, _ close: String) throws {
    func text(_ depth: Int) -> [UInt8] {
      let parts =
        String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
      return Array(parts.utf8)
    }
    _ = try JSONParser.parse(text(32))
    for depth in [33, 10_000, 1_000_000] {
      #expect(
        throws: JSONError(
          reason: "it is nested deeper than 32 levels", offset: 32 * open.utf8.count)
      ) { try JSONParser.parse(text(depth)) }
    }
    // Beside one another they are not deep.
    let list = Array("[\(Array(repeating: "[{}]", count: 1000).joined(separator: ","))]".utf8)
    _ = try JSONParser.parse(list)
  }

  // MARK: Numbers

  @Test(arguments: [
    "0", "-0", "1", "-1", "123456789012345", "1234567890123456", "-999999999999999",
    "9007199254740994", "18446744073709551616", "0.1", "-0.0", "0e0", "0E+5", "1e5", "1E-5", "1e05",
    "2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "2e-324", "1e-400", "-1e-400",
    "1.7976931348623157e308", "1.7976931348623159e308", "1e400", "-1e400", "1e999999999999",
    "1e-999999999999", "0.000000000000000000000000000000000000000000001", "16777217",
    "3.4028235e38",
    "0.500000000000000166533453693773481063544750213623046875",
    "9007199254740993.00000000000000000000000000000000000000001",
    "100000000000000000000000000000000000000000000000000000000000000000000000000000000000e-83",
  ])
  func aNumberIsTheNearestDouble(_ text: String) throws {
    let nearest = strtod(text, nil)
    for (text, pick) in [(text, { $0 }), ("[\(text)]", Self.only), (" [ \(text) , 7]", Self.first)]
      as [(String, (JSONValue) -> JSONValue)]
    {
      guard case .number(let number) = pick(try JSONParser.parse(Array(text.utf8))) else {
        Issue.record("\(text) is no number")
        continue
      }
      #expect(number.bitPattern == nearest.bitPattern, "\(text)")
    }
  }

  private static func only(_ value: JSONValue) -> JSONValue {
    guard case .numbers(let numbers) = value, numbers.count == 1 else { return value }
    return .number(numbers[0])
  }

  private static func first(_ value: JSONValue) -> JSONValue {
    guard case .numbers(let numbers) = value, numbers.count == 2, numbers[1] == 7 else {
      return value
    }
    return .number(numbers[0])
  }

  @Test func doublesComeBackBitForBit() throws {
    var generator = SplitMix(seed: 11)
    var doubles: [Double] = []
    while doubles.count < 20_000 {
      let double = Double(bitPattern: generator.next())
      if double.isFinite { doubles.append(double) }
    }
    let text = "[\(doubles.map(\.description).joined(separator: ","))]"
    guard case .numbers(let parsed) = try JSONParser.parse(Array(text.utf8)) else {
      Issue.record("these are not all numbers")
      return
    }
    #expect(parsed.map(\.bitPattern) == doubles.map(\.bitPattern))
  }

  @Test func floatsComeBackBitForBit() throws {
    var generator = SplitMix(seed: 12)
    var floats: [Float] = []
    while floats.count < 20_000 {
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
      if float.isFinite { floats.append(float) }
    }
    let parsed = try JSONParser.parse(Array(floats.json.utf8)).vector("floats")
    #expect(parsed.map(\.bitPattern) == floats.map(\.bitPattern))
  }

  @Test func digitsOfEveryLengthAreExact() throws {
    var generator = SplitMix(seed: 13)
    for length in 1...40 {
      for _ in 0..<20 {
        let digits = (0..<length).map { index in
          String(Int.random(in: index == 0 && length > 1 ? 1...9 : 0...9, using: &generator))
        }.joined()
        for text in [digits, "-\(digits)", "\(digits).5", "0.\(digits)", "\(digits)e-7"] {
          #expect(
            try JSONParser.parse(Array("[\(text)]".utf8)) == .numbers([strtod(text, nil)]),
            "\(text)")
        }
        // By itself a whole number is exact as long as 64 bits hold it.
        let value = try JSONParser.parse(Array(digits.utf8))
        #expect(value.whole(UInt64.self) == UInt64(digits), "\(digits)")
      }
    }
  }
}
