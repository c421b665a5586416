import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Runs `body` on so many threads of their own at once, and gives what they return in their order.
/// They begin together, once all of them are there.
///
/// - Throws: the first error of any of them
func onThreads<Value: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (_ index: Int) throws -> Value
) throws -> [Value] {
  let arrived = Monitor(0)
  let results = Monitor([Result<Value, any Error>?](repeating: nil, count: count))
  for index in 0..<count {
    try SystemThread {
      arrived.withLock { $0 += 1 }
      arrived.broadcast()
      arrived.wait { $0 == count ? () : nil }
      let result = Result { try body(index) }
      results.withLock { $0[index] = result }
      results.broadcast()
    }.detach()
  }
  let all = results.wait { results in
    results.contains { $0 == nil } ? nil : results.compactMap { $0 }
  }
  return try all.enumerated().map { index, result in
    do { return try result.get() } catch { throw ThreadFailure(index: index, error: "\(error)") }
  }
}

/// An error of a thread that is not a test's own: what is expected there in vain belongs to no test,
/// so the test has to fail by this.
private struct ThreadFailure: Error {
  let index: Int
  let error: String
}

extension SocketClient {
  func post(_ target: String, _ body: String = "") throws -> Response {
    try exchange("POST", target, body: Array(body.utf8))
  }

  /// Makes a session and gives its name.
  func makeSession(_ model: String? = nil) throws -> String {
    let response = try post("/sessions", model.map { #"{"model": "\#($0)"}"# } ?? "")
    try #require(response.status == 201, "\(response.text)")
    return try #require(response.object()["id"] as? String)
  }

  /// Takes one step, with all that its result can say.
  func step(_ session: String, _ input: [Float]) throws -> StepResult {
    let response = try post("/sessions/\(session)/step", .step(input))
    try #require(response.status == 200, "\(response.text)")
    return try response.decoded()
  }
}

extension String {
  /// The body of a request for one step.
  static func step(_ input: [Float], returning fields: StepResult.Fields = .all) -> String {
    #"{"input":\#(input.json),"return":\#(fields.json)}"#
  }

  /// The body of a request for several.
  static func steps(_ inputs: [[Float]], returning fields: StepResult.Fields = .all) -> String {
    #"{"inputs":[\#(inputs.map(\.json).joined(separator: ","))],"return":\#(fields.json)}"#
  }
}

/// Lets other threads run for a while.
func pause(milliseconds: Int) {
  usleep(UInt32(milliseconds) * 1000)
}

/// Waits until something holds, for 10 s at most.
///
/// - Returns: whether it holds
func waitUntil(_ condition: () -> Bool) -> Bool {
  let end = ContinuousClock.now + .seconds(10)
  while ContinuousClock.now < end {
    if condition() { return true }
    usleep(2000)
  }
  return condition()
}
