extension Decoder {
  /// A container in which every key of `Key` must be present, except those that are `optional`,
  /// and no other key may be, nor those that are `without`.
  func strictContainer<Key: CodingKey & CaseIterable & Hashable>(
    keyedBy type: Key.Type, optional: Set<Key> = [], without: Set<Key> = []
  ) throws -> KeyedDecodingContainer<Key> {
    let present = try container(keyedBy: AnyKey.self)
    for key in present.allKeys {
      guard let known = Key(stringValue: key.stringValue), !without.contains(known) else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: present, debugDescription: "unknown field")
      }
    }
    let container = try container(keyedBy: type)
    for key in Key.allCases where !container.contains(key) {
      guard optional.contains(key) || without.contains(key) else {
        throw DecodingError.keyNotFound(
          key, .init(codingPath: container.codingPath, debugDescription: "missing field"))
      }
    }
    return container
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension DecodingError {
  /// The error as one line for people: where, and what.
  package var summary: String {
    let context: Context
    var reason: String
    var path: [any CodingKey]
    switch self {
    case .typeMismatch(let type, let c): (context, reason) = (c, "is not of type \(type)")
    case .valueNotFound(_, let c): (context, reason) = (c, "is null")
    case .keyNotFound(let key, let c):
      context = c
      path = c.codingPath + [key]
      return "\(Self.describe(path)): missing field"
    case .dataCorrupted(let c): (context, reason) = (c, c.debugDescription)
    @unknown default: return "\(self)"
    }
    path = context.codingPath
    return "\(Self.describe(path)): \(reason)"
  }

  private static func describe(_ path: [any CodingKey]) -> String {
    path.isEmpty
      ? "the whole"
      : path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
        .joined(separator: ".").replacing(".[", with: "[")
  }
}
