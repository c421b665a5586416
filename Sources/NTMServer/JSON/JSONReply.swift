#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension HTTPResponse {
  /// A small reply as JSON. (A step's result is written by `StepResultWriter`.)
  static func json(
    _ value: some Encodable, status: Int = 200, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // Replies are made of strings, finite numbers and lists of them, which always encode.
    let body = try! encoder.encode(value)
    return .json(bytes: [UInt8](body), status: status, headers: headers)
  }

  /// A reply that is JSON already.
  static func json(
    bytes: [UInt8], status: Int = 200, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    HTTPResponse(
      status: status, contentType: MediaType.json.rawValue, headers: headers, body: bytes)
  }
}

extension String {
  /// As JSON.
  var quoted: String { String(decoding: HTTPResponse.json(self).body, as: UTF8.self) }
}

/// A time as RFC 3339 has it, in UTC with milliseconds.
struct Timestamp: Encodable, Equatable, Comparable {
  /// Milliseconds since 1970.
  let milliseconds: Int64

  /// The wall clock, which may jump: for display. `ServerClock` is for durations.
  static var now: Timestamp { Timestamp(milliseconds: wallClockMilliseconds()) }

  static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

  /// Times that can't be counted in milliseconds become the earliest or the latest; a NaN gives the
  /// latest.
  func advanced(by seconds: Double) -> Timestamp {
    let (span, isPast) = (seconds * 1000, seconds < 0)
    guard let whole = Int64(exactly: span.rounded(.towardZero)) else {
      return Timestamp(milliseconds: isPast ? .min : .max)
    }
    let (sum, overflow) = milliseconds.addingReportingOverflow(whole)
    return Timestamp(milliseconds: overflow ? (isPast ? .min : .max) : sum)
  }

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(text)
  }

  /// The years from 1 to 9999, which RFC 3339 can write.
  private static let writable: ClosedRange<Int64> = -62_135_596_800_000...253_402_300_799_999

  /// Times out of that range become its ends.
  var text: String {
    let milliseconds = min(max(milliseconds, Self.writable.lowerBound), Self.writable.upperBound)
    return Date(timeIntervalSince1970: Double(milliseconds) / 1000)
      .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }
}
