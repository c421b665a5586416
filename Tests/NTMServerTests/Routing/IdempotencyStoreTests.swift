import Testing

@testable import NTMServer

struct IdempotencyStoreTests {
  private let store = IdempotencyStore()
  private let request = HTTPRequest(method: "POST", path: "/sessions")

  private func respond(
    _ key: String, _ status: Int = 200, bytes: Int = 10
  ) throws(Problem) -> HTTPOutcome {
    try store.run(key, request) { _ throws(Problem) in
      .respond(HTTPResponse(status: status, headers: [], body: [UInt8](repeating: 1, count: bytes)))
    }
  }

  private func isReplay(_ outcome: HTTPOutcome) -> Bool {
    guard case .respond(let response) = outcome else { return false }
    return response.headers.contains { $0.name == "Idempotent-Replayed" }
  }

  @Test func whileTheFirstRunsTheSecondIsRefused() throws {
    let outcome = try store.run("k", request) { _ throws(Problem) in
      .offload { HTTPResponse(status: 200, headers: [], body: []) }
    }
    let refusal = #expect(throws: Problem.self) { try respond("k") }
    #expect(refusal?.kind == .keyInUse)
    guard case .offload(let work) = outcome else { return #expect(Bool(false)) }
    #expect(work().status == 200)
    #expect(isReplay(try respond("k")))
  }

  @Test func workThatIsDroppedFreesItsKey() throws {
    do {
      _ = try store.run("k", request) { _ throws(Problem) in
        .offload { HTTPResponse(status: 200, headers: [], body: []) }
      }
    }
    #expect(!isReplay(try respond("k")))
  }

  @Test func theOldestKeysAreForgotten() throws {
    for number in 0...IdempotencyStore.keyLimit { _ = try respond("\(number)") }
    #expect(!isReplay(try respond("0")))
    #expect(isReplay(try respond("\(IdempotencyStore.keyLimit)")))
  }

  @Test func longRepliesAreForgottenSooner() throws {
    let length = IdempotencyStore.byteLimit / 4
    for number in 0..<5 { _ = try respond("\(number)", bytes: length) }
    #expect(isReplay(try respond("4", bytes: length)))
    #expect(!isReplay(try respond("0", bytes: length)))
  }

  @Test func keysOfRefusedRequestsLeaveNothingBehind() throws {
    for number in 0..<5000 { _ = try respond("\(number)", 404) }
    #expect(store.rememberedKeys <= 1001)
    #expect(!isReplay(try respond("0")))
    #expect(isReplay(try respond("0")))
  }

  @Test(arguments: [
    (header: "a", key: "a"), (header: "\"a b\"", key: "a b"), (header: "\"", key: "\""),
    (header: String(repeating: "~", count: 255), key: String(repeating: "~", count: 255)),
    (header: "", key: nil), (header: "\"\"", key: nil),
    (header: String(repeating: "a", count: 256), key: nil),
    // Two clients may spell them in two ways, so they would not be the same key everywhere.
    (header: "é", key: nil), (header: "a\u{7f}", key: nil), (header: "a\tb", key: nil),
    (header: "\u{fffd}", key: nil),
  ])
  func aKeyIsPrintableASCII(_ expected: (header: String, key: String?)) throws {
    let request = HTTPRequest(
      method: "POST", path: "/sessions", headers: [("Idempotency-Key", expected.header)])
    guard let key = expected.key else {
      let problem = #expect(throws: Problem.self) { try IdempotencyStore.key(of: request) }
      #expect(problem?.kind == .malformedRequest)
      return
    }
    #expect(try IdempotencyStore.key(of: request) == key)
  }
}
