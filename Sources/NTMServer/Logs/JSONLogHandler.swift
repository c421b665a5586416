public import Logging

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A log of JSON objects, one on each line: `time`, `level`, `logger`, `message` and what the line
/// says beside its message, numbers as numbers.
public struct JSONLogHandler: LogHandler {
  public var metadata: Logger.Metadata = [:]
  public var metadataProvider: Logger.MetadataProvider?
  public var logLevel = Logger.Level.info
  private let label: String
  private let write: @Sendable ([UInt8]) -> Void

  /// - Parameter write: takes a line with its end; without it, standard error does
  public init(label: String, write: (@Sendable ([UInt8]) -> Void)? = nil) {
    self.label = label
    self.write = write ?? Self.writeToStandardError
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var fields = (metadataProvider?.get() ?? [:]).merging(metadata) { $1 }
      .merging(event.metadata ?? [:]) { $1 }
      .mapValues(JSONText.init)
    fields["time"] = .text(Timestamp.now.text)
    fields["level"] = .text(event.level.rawValue)
    fields["logger"] = .text(label)
    fields["message"] = .text("\(event.message)")
    if let error = event.error { fields["error"] = .text("\(error)") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Texts and whole numbers always encode.
    let line = String(decoding: try! encoder.encode(JSONText.object(fields)), as: UTF8.self)
    write(Array(line.escapingControls.utf8) + [UInt8(ascii: "\n")])
  }

  /// A line at once, so that threads don't write into each other's.
  private static let writeToStandardError: @Sendable ([UInt8]) -> Void = { line in
    var rest = line[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Self.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Nobody can be told that the log can't be written.
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  private static func write(
    _ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int
  ) -> Int {
    #if canImport(Glibc)
      Glibc.write(descriptor, bytes, count)
    #elseif canImport(Musl)
      Musl.write(descriptor, bytes, count)
    #else
      Darwin.write(descriptor, bytes, count)
    #endif
  }
}

extension JSONText {
  fileprivate init(_ value: Logger.MetadataValue) {
    self =
      switch value {
      case .string(let text): .text(text)
      case .stringConvertible(let value as Int): .integer(Int64(value))
      case .stringConvertible(let value): .text(value.description)
      case .dictionary(let values): .object(values.mapValues(JSONText.init))
      case .array(let values): .list(values.map(JSONText.init))
      }
  }
}
