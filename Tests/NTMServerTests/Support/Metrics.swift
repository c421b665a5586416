import Testing

@testable import NTMServer

/// What `/metrics` says, read line by line: samples by their names with labels.
struct Metrics {
  private let samples: [String: Double]
  /// By the names of families.
  let types: [String: String]
  let help: [String: String]

  init(_ text: String) throws {
    var samples: [String: Double] = [:]
    var types: [String: String] = [:]
    var help: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      if words.starts(with: ["#", "TYPE"]) {
        types[words[2]] = words[3]
      } else if words.starts(with: ["#", "HELP"]) {
        help[words[2]] = words[3]
      } else {
        let space = try #require(line.lastIndex(of: " "), "\(line)")
        let name = String(line[..<space])
        try #require(samples[name] == nil, "twice: \(name)")
        let value: Double = try #require(Double(line[line.index(after: space)...]), "\(line)")
        samples[name] = value
      }
    }
    self.samples = samples
    self.types = types
    self.help = help
  }

  /// - Parameter name: with its labels, as it stands there
  subscript(name: String) -> Double? { samples[name] }

  var names: [String] { Array(samples.keys) }
}

extension TestClient {
  func metrics() async throws -> Metrics {
    let response = try await get("/metrics")
    try #require(response.status == 200, "\(response.text)")
    return try Metrics(response.text)
  }

  /// What they are once `name` is `value`, or in the end: a request is counted when its answer has
  /// been sent, which whoever asks on another connection may be ahead of.
  func metrics(once name: String, is value: Double) async throws -> Metrics {
    let end = ContinuousClock.now + .seconds(SocketClient.timeoutSeconds)
    var metrics = try await metrics()
    while metrics[name] != value && ContinuousClock.now < end {
      try await Task.sleep(for: .milliseconds(5))
      metrics = try await self.metrics()
    }
    return metrics
  }
}
