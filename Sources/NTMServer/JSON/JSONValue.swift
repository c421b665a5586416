/// JSON as a request has it, with accessors that say where something is not what it should be.
///
/// FoundationEssentials' decoder is not used for requests: it does not say where a body stops being
/// JSON, takes 1e-400 for malformed, and lets a repeated field pass.
enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  /// A whole number that no double is equal to.
  case wholeNumber(UInt64)
  case string(String)
  /// A list of numbers and of nothing else, which is what inputs are.
  case numbers([Double])
  /// A list of lists of numbers and of nothing else.
  case rows(JSONRows)
  case list([JSONValue])
  case object(JSONObject)

  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .number, .wholeNumber: "a number"
    case .string: "a string"
    case .numbers, .rows, .list: "a list"
    case .object: "an object"
    }
  }
}

extension JSONValue {
  /// Parses a request's body. Its content type is not looked at: curl sends one of its own.
  ///
  /// - Parameter name: what the body is called in an error
  /// - Throws: `Problem` 400 that says where the body stops being JSON.
  init(body: [UInt8], name: String = "the body") throws(Problem) {
    guard !body.isEmpty else {
      throw Problem(.malformedRequest, "\(name) is empty; JSON is expected")
    }
    do throws(JSONError) {
      self = try JSONParser.parse(body)
    } catch {
      throw Problem(
        .malformedRequest, "\(name) is not JSON: \(error.reason) at byte \(error.offset)",
        fields: ["offset": .number(error.offset)])
    }
  }

  /// The fields of an object that has no others than those that are `known`, so that a misspelt one
  /// is noticed.
  ///
  /// - Parameters:
  ///   - known: their names, in the order in which an error tells them
  ///   - name: what the object is called in an error
  func fields(
    _ known: [String], of name: @autoclosure () -> String = "the body"
  ) throws(Problem) -> JSONObject {
    guard case .object(let fields) = self else {
      throw Problem(.malformedRequest, "\(name()) is \(kind); an object is expected")
    }
    if let unknown = fields.lazy.map({ $0.name }).filter({ !known.contains($0) }).min() {
      throw Problem(
        .malformedRequest,
        "\(name()) has an unknown field \"\(unknown)\"; valid are \(known.joined(separator: ", "))",
        fields: ["valid": .list(known)])
    }
    return fields
  }

  /// The fields of an object, whatever they are.
  func object(_ name: @autoclosure () -> String) throws(Problem) -> JSONObject {
    guard case .object(let fields) = self else { throw unexpected(name(), "an object") }
    return fields
  }

  func bool(_ name: @autoclosure () -> String) throws(Problem) -> Bool {
    guard case .bool(let bool) = self else { throw unexpected(name(), "true or false") }
    return bool
  }

  /// - Parameter name: what the value is called in an error, such as `inputs[3]`
  func string(_ name: @autoclosure () -> String) throws(Problem) -> String {
    guard case .string(let string) = self else { throw unexpected(name(), "a string") }
    return string
  }

  /// A whole number of a range.
  func integer(
    _ name: @autoclosure () -> String, _ range: ClosedRange<Int>
  ) throws(Problem) -> Int {
    guard let integer = whole(Int.self), range.contains(integer) else {
      throw unexpected(name(), "a whole number from \(range.lowerBound) on", got: numeral)
    }
    return integer
  }

  /// The whole number that this is; nil where it is none, or beyond the type's range.
  func whole<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer? {
    switch self {
    case .number(let number): Integer(exactly: number)
    case .wholeNumber(let number): Integer(exactly: number)
    default: nil
    }
  }

  func list(_ name: @autoclosure () -> String) throws(Problem) -> JSONList {
    guard let list = JSONList(self) else { throw unexpected(name(), "a list") }
    return list
  }

  /// A list of numbers as float32; infinity for what is beyond its range.
  func vector(_ name: @autoclosure () -> String) throws(Problem) -> [Float] {
    switch self {
    case .numbers(let numbers): return numbers.map { Float($0) }
    case .list(let list):
      let index = list.firstIndex { $0.kind != JSONValue.number(0).kind } ?? 0
      throw list[index].unexpected("\(name())[\(index)]", "a number")
    case .rows: throw JSONValue.list([]).unexpected("\(name())[0]", "a number")
    case .null, .bool, .number, .wholeNumber, .string, .object:
      throw unexpected(name(), "a list of numbers")
    }
  }

  /// - Parameter got: what it is called where not by its kind
  func unexpected(_ name: String, _ expected: String, got: String? = nil) -> Problem {
    Problem(.malformedRequest, "\(name) is \(got ?? kind); \(expected) is expected")
  }

  /// A number in digits, a whole one without a point; nil for what is none.
  var numeral: String? {
    switch self {
    case .number(let number): Int(exactly: number)?.description ?? number.description
    case .wholeNumber(let number): number.description
    default: nil
    }
  }
}
