/// The fields of a JSON object, each name once, in the order in which they stand.
///
/// What clients send has few fields: looking at each costs a fraction of what hashing one name does.
struct JSONObject: Sendable {
  private var fields: [(name: String, value: JSONValue)] = []
  /// Where each field stands, as soon as there are many of them.
  private var places: [String: Int] = [:]

  private static let few = 8

  subscript(name: String) -> JSONValue? { place(of: name).map { fields[$0].value } }

  private func place(of name: String) -> Int? {
    places.isEmpty ? fields.firstIndex { $0.name == name } : places[name]
  }

  /// - Returns: false where there is one of this name already; nothing is changed then
  mutating func add(_ name: String, _ value: JSONValue) -> Bool {
    guard place(of: name) == nil else { return false }
    fields.append((name, value))
    if !places.isEmpty {
      places[name] = fields.count - 1
    } else if fields.count > Self.few {
      for (place, field) in fields.enumerated() { places[field.name] = place }
    }
    return true
  }
}

extension JSONObject: RandomAccessCollection {
  var startIndex: Int { fields.startIndex }
  var endIndex: Int { fields.endIndex }
  subscript(place: Int) -> (name: String, value: JSONValue) { fields[place] }
}

/// The order of the fields says nothing.
extension JSONObject: Equatable {
  static func == (one: JSONObject, other: JSONObject) -> Bool {
    one.count == other.count && one.allSatisfy { other[$0.name] == $0.value }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  init(dictionaryLiteral fields: (String, JSONValue)...) {
    for (name, value) in fields {
      precondition(add(name, value), "\(name) is there twice")
    }
  }
}
