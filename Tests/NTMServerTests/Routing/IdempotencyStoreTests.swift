import Testing

@testable import NTMServer

struct IdempotencyStoreTests {
  private let store = IdempotencyStore()
  private let request = HTTPRequest(method: "POST", path: "/sessions")

  private func respond(
    _ key: String, _ status: Int = 200, bytes: Int = 10
  ) throws(Problem) -> HTTPOutcome {
    try store.run(key, request) { () throws(Problem) in
      .respond(HTTPResponse(status: status, headers: [], body: [UInt8](repeating: 1, count: bytes)))
    }
  }

  private func isReplay(_ outcome: HTTPOutcome) -> Bool {
    guard case .respond(let response) = outcome else { return false }
    return response.headers.contains { $0.name == "Idempotent-Replayed" }
  }

  @Test func whileTheFirstRunsTheSecondIsRefused() throws {
    let outcome = try store.run("k", request) { () throws(Problem) in
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
      _ = try store.run("k", request) { () throws(Problem) in
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
}
