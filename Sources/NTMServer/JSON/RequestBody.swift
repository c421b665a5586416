#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Reads the JSON of requests. The content type is not looked at: curl sends one of its own.
enum RequestBody {
  /// - Throws: `Problem` 400 that says where the body is not what it should be.
  static func decode<Value: Decodable>(
    _ type: Value.Type, _ body: [UInt8]
  ) throws(Problem) -> Value {
    guard !body.isEmpty else { throw Problem(.malformedRequest, "the body is empty; JSON is expected") }
    do {
      return try JSONDecoder().decode(type, from: Data(body))
    } catch let error as DecodingError {
      throw Problem(.malformedRequest, "the body is not as expected: \(summary(error))")
    } catch {
      throw Problem(.malformedRequest, "the body can't be read: \(error)")
    }
  }

  private static func summary(_ error: DecodingError) -> String {
    switch error {
    case .typeMismatch(let type, let context):
      "\(path(context.codingPath)) is not \(name(of: type))"
    case .valueNotFound(let type, let context):
      "\(path(context.codingPath)) is null, not \(name(of: type))"
    case .keyNotFound(let key, let context):
      "\(path(context.codingPath)) has no \"\(key.stringValue)\""
    case .dataCorrupted(let context) where context.codingPath.isEmpty:
      "it is not valid JSON\(reason(context))"
    case .dataCorrupted(let context):
      "\(path(context.codingPath)): \(context.debugDescription)"
    @unknown default: "\(error)"
    }
  }

  private static func reason(_ context: DecodingError.Context) -> String {
    if let error = context.underlyingError { return ": \(error)" }
    return ": \(context.debugDescription)"
  }

  private static func path(_ path: [any CodingKey]) -> String {
    path.isEmpty ? "the whole" : path.enumerated().map { position, key in
      if let index = key.intValue { return "[\(index)]" }
      return (position == 0 ? "" : ".") + key.stringValue
    }.joined()
  }

  private static func name(of type: Any.Type) -> String {
    switch type {
    case is Double.Type, is Float.Type, is Int.Type: "a number"
    case is String.Type: "a string"
    case is Bool.Type: "true or false"
    case is [Any].Type: "a list"
    default: "an object"
    }
  }
}

extension Decoder {
  /// A container that has no other keys than those of `Key`, so that a misspelt one is noticed.
  func container<Key: CodingKey & CaseIterable>(
    refusingAllBut keys: Key.Type
  ) throws -> KeyedDecodingContainer<Key> {
    let present = try container(keyedBy: AnyKey.self)
    for key in present.allKeys where Key(stringValue: key.stringValue) == nil {
      let valid = Key.allCases.map(\.stringValue).joined(separator: ", ")
      throw DecodingError.dataCorruptedError(
        forKey: key, in: present, debugDescription: "unknown field; valid are \(valid)")
    }
    return try container(keyedBy: keys)
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}
