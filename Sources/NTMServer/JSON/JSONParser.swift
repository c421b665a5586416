/// Where a text stops being JSON.
struct JSONError: Error, Equatable {
  let reason: String
  /// Bytes before it.
  let offset: Int
}

/// A strict parser of JSON (RFC 8259): nothing that the grammar does not have, no field twice, and
/// no deeper than 32 levels.
struct JSONParser {
  private let text: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var depth = 0

  private static let maximumDepth = 32

  static func parse(_ text: [UInt8]) throws(JSONError) -> JSONValue {
    try text.withUnsafeBufferPointer { bytes throws(JSONError) in
      var parser = JSONParser(text: bytes)
      let value = try parser.value()
      parser.skipSpace()
      guard parser.position == text.count else { throw parser.error("something follows the value") }
      return value
    }
  }

  private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

  /// The byte that comes next; behind the end it is 0, which no JSON has.
  private var next: UInt8 { position < text.count ? text[position] : 0 }

  private func error(_ reason: String) -> JSONError { JSONError(reason: reason, offset: position) }

  private mutating func skipSpace() {
    while next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
    guard skip(character) else { throw error("there is no \"\(character)\"") }
  }

  // MARK: Values

  private mutating func value() throws(JSONError) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try nested { parser throws(JSONError) in try parser.object() }
    case UInt8(ascii: "["): return try nested { parser throws(JSONError) in try parser.list() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("there is no value")
    }
  }

  private mutating func nested(
    _ parse: (inout JSONParser) throws(JSONError) -> JSONValue
  ) throws(JSONError) -> JSONValue {
    guard depth < Self.maximumDepth else { throw tooDeep }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try parse(&self)
  }

  private var tooDeep: JSONError {
    error("it is nested deeper than \(Self.maximumDepth) levels")
  }

  private mutating func word(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard next == word.utf8Start[index] else { throw error("there is no value") }
      position += 1
    }
    return value
  }

  private mutating func object() throws(JSONError) -> JSONValue {
    var fields = JSONObject()
    skipSpace()
    if skip("}") { return .object(fields) }
    while true {
      skipSpace()
      let start = position
      guard next == UInt8(ascii: "\"") else { throw error("there is no name of a field") }
      let name = try string()
      skipSpace()
      try expect(":")
      guard fields.add(name, try value()) else {
        throw JSONError(reason: "the field \"\(name)\" is there twice", offset: start)
      }
      skipSpace()
      if skip("}") { return .object(fields) }
      try expect(",")
    }
  }

  private mutating func list() throws(JSONError) -> JSONValue {
    skipSpace()
    if skip("]") { return .numbers([]) }
    let lists = JSONNumberLists(text, from: position)
    if let lists, let count = lists.rows {
      return .rows(try rows(numbers: lists.numbers, rows: count))
    }
    var numbers: [Double] = []
    if let lists { numbers.reserveCapacity(lists.numbers) }
    while true {
      skipSpace()
      guard isAtNumber else {
        // The rest has no values but numbers.
        if lists != nil { throw error("there is no value") }
        return try list(beginningWith: numbers.map { .number($0) })
      }
      numbers.append(try double())
      skipSpace()
      if skip("]") { return .numbers(numbers) }
      try expect(",")
    }
  }

  private var isAtNumber: Bool { next == UInt8(ascii: "-") || JSONNumber.isDigit(next) }

  /// Lists of numbers, from the first one on.
  ///
  /// - Parameters:
  ///   - numbers: most numbers of all lists
  ///   - count: most lists
  private mutating func rows(numbers: Int, rows count: Int) throws(JSONError) -> JSONRows {
    var rows = JSONRows(numbers: numbers, rows: count)
    while true {
      skipSpace()
      guard next == UInt8(ascii: "[") else { throw error("there is no value") }
      guard depth < Self.maximumDepth else { throw tooDeep }
      position += 1
      try row(into: &rows)
      rows.endRow()
      skipSpace()
      if skip("]") { return rows }
      try expect(",")
    }
  }

  private mutating func row(into rows: inout JSONRows) throws(JSONError) {
    skipSpace()
    if skip("]") { return }
    while true {
      skipSpace()
      guard isAtNumber else { throw error("there is no value") }
      rows.append(try double())
      skipSpace()
      if skip("]") { return }
      try expect(",")
    }
  }

  /// The rest of a list, from an element on that is no number.
  private mutating func list(beginningWith first: [JSONValue]) throws(JSONError) -> JSONValue {
    var list = first
    while true {
      list.append(try value())
      skipSpace()
      if skip("]") { return .list(list) }
      try expect(",")
    }
  }

  // MARK: Numbers

  /// A number that stands by itself, which may be a name: whole ones up to 2^64 are exact.
  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    let double = try double()
    if double >= 0x1p53,
      let exact = UInt64(String(decoding: text[start..<position], as: UTF8.self)),
      UInt64(exactly: double) != exact
    {
      return .wholeNumber(exact)
    }
    return .number(double)
  }

  /// A number as the nearest double; infinity or zero where it is beyond its range.
  private mutating func double() throws(JSONError) -> Double {
    var number = JSONNumber(text, from: position)
    defer { position = number.end }
    do throws(JSONNumber.Failure) { return try number.read() } catch {
      throw JSONError(reason: error.reason, offset: number.end)
    }
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    let start = position
    position += 1
    // Most strings have no escape, and are taken as they stand.
    var bytes: [UInt8] = []
    var taken = position
    while true {
      switch next {
      case UInt8(ascii: "\""):
        let rest = text[taken..<position]
        position += 1
        let string =
          bytes.isEmpty
          ? String(validating: rest, as: UTF8.self)
          : String(validating: bytes + rest, as: UTF8.self)
        guard let string else {
          throw JSONError(reason: "a string is not UTF-8", offset: start)
        }
        return string
      case UInt8(ascii: "\\"):
        bytes += text[taken..<position]
        bytes += try escape()
        taken = position
      case 0..<0x20:
        throw error(
          position == text.count ? "a string has no end" : "a string has a control character")
      default:
        position += 1
      }
    }
  }

  private mutating func escape() throws(JSONError) -> [UInt8] {
    position += 1
    let byte = next
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return try unicodeEscape()
    default:
      position -= 1
      throw error("there is no such escape")
    }
  }

  private mutating func unicodeEscape() throws(JSONError) -> [UInt8] {
    var units = [try codeUnit()]
    if UTF16.isLeadSurrogate(units[0]), skip("\\"), skip("u") { units.append(try codeUnit()) }
    guard let string = String(validating: units, as: UTF16.self) else {
      throw error("half a surrogate pair stands alone")
    }
    return Array(string.utf8)
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(UnicodeScalar(next)).hexDigitValue else {
        throw error("a hexadecimal digit is missing")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
