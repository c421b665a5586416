import Logging

/// A line for each request that was answered: method, path, status, bytes, microseconds; and what
/// names it: its own name, that of the key it came with, and its trace.
struct AccessLog: Sendable {
  private let logger: Logger?
  private let hasFields: Bool

  /// - Parameters:
  ///   - isOn: whether lines are written at all
  ///   - hasFields: whether what the message says is there once more as metadata, for a log that
  ///     programs read
  init(_ logger: Logger, isOn: Bool, hasFields: Bool = false) {
    self.logger = isOn ? logger : nil
    self.hasFields = hasFields
  }

  func write(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    guard let logger else { return }
    let microseconds = Int(duration / 1000)
    var metadata = request.logMetadata
    if hasFields {
      metadata["method"] = .string(request.method)
      metadata["path"] = .string(request.path)
      metadata["status"] = .stringConvertible(status)
      metadata["bytes"] = .stringConvertible(responseBytes)
      metadata["duration_us"] = .stringConvertible(microseconds)
    }
    logger.info(
      "\(request.summary) \(status) \(responseBytes) B \(microseconds) µs", metadata: metadata)
  }
}

extension HTTPRequest {
  /// Method and path for a log.
  var summary: String { "\(method) \(path)" }

  /// What a line of the log says beside its message, so that all lines about a request are found.
  var logMetadata: Logger.Metadata {
    var metadata: Logger.Metadata = ["request_id": .string(id)]
    if let keyName = note({ $0.keyName }) { metadata["key"] = .string(keyName) }
    if let traceID { metadata["trace_id"] = .string(traceID) }
    return metadata
  }
}

extension Logger {
  /// A logger for lines about a request.
  func about(_ request: HTTPRequest) -> Logger {
    var logger = self
    for (key, value) in request.logMetadata { logger[metadataKey: key] = value }
    return logger
  }
}
