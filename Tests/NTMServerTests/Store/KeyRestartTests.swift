import Foundation
import Testing

@testable import NTMServer

/// Idempotency-Keys across a restart.
struct KeyRestartTests {
  private let memory = MemorySessionStore(outlivesProcess: true)
  private let folder = try! StoreFolder()
  private let input = ServedModel.copy.inputs(1)[0]

  private func serve(
    _ kind: SessionStoreTests.Kind, bytes: Int = 256 << 20, _ durability: Durability = .always,
    _ body: (SocketClient) throws -> Void
  ) async throws {
    let store: any SessionStore =
      kind == .memory ? memory : try SQLiteSessionStore(path: folder.file)
    let options = ServiceOptions.testing {
      $0.durability = durability
      $0.maxIdempotencyBytes = bytes
    }
    try await withLiveService(.copy, options, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  private func step(_ client: SocketClient, _ id: String, _ key: String) throws -> Response {
    try client.exchange(
      "POST", "/sessions/\(id)/step", headers: [("Idempotency-Key", key)],
      body: Array("{\"input\":\(input.json)}".utf8))
  }

  /// However many other keys came, and whether or not the reply is kept.
  @Test(arguments: SessionStoreTests.Kind.allCases, [Durability.always, .none])
  func aRetryNeverStepsTwice(
    _ kind: SessionStoreTests.Kind, _ durability: Durability
  ) async throws {
    var (id, other) = ("", "")
    let bytes = 400 * KeyTable.keyCost
    func expectForgotten(_ response: Response, sourceLocation: SourceLocation = #_sourceLocation)
      throws
    {
      try expectProblem(
        response, 409, "reply-forgotten", fields: ["session": .text(id), "step": .number(2)],
        sourceLocation: sourceLocation)
    }
    try await serve(kind, bytes: bytes, durability) { client throws in
      id = try client.makeSession()
      other = try client.makeSession()
      #expect(try client.post("/sessions/\(id)/step", .step(input)).status == 200)
      let first = try step(client, id, "precious")
      #expect(first.status == 200)
      let again = try step(client, id, "precious")
      #expect(again.body == first.body)
      #expect(again.header("Idempotent-Replayed") == "true")
      for number in 0..<200 { #expect(try step(client, other, "\(number)").status == 200) }
      try expectForgotten(try step(client, id, "precious"))
    }
    for _ in 0..<2 {
      try await serve(kind, bytes: bytes, durability) { client throws in
        try expectForgotten(try step(client, id, "precious"))
        let newest = try step(client, other, "199")
        #expect(newest.header("Idempotent-Replayed") == "true")
        let session = try client.exchange("GET", "/sessions/\(id)").object()
        #expect(session["step"] as? Int == 2)
        // The key still belongs to its request.
        try expectProblem(try step(client, other, "precious"), 422, "key-reused")
      }
    }
  }

  @Test func stepsOfManySessionsAreNamedWhenTheirReplyIsForgotten() async throws {
    var ids: [String] = []
    func many(_ client: SocketClient) throws -> Response {
      let steps = (ids + ["none"]).map { "{\"session\":\"\($0)\",\"input\":\(input.json)}" }
      return try client.exchange(
        "POST", "/step", headers: [("Idempotency-Key", "m")],
        body: Array("{\"steps\":[\(steps.joined(separator: ","))]}".utf8))
    }
    for _ in 0..<2 {
      try await serve(.sqlite, bytes: 8 * KeyTable.keyCost) { client throws in
        if ids.isEmpty {
          ids = try (0..<2).map { _ in try client.makeSession() }
          #expect(try many(client).status == 200)
        }
        try expectProblem(
          try many(client), 409, "reply-forgotten",
          fields: ["applied_steps": .list(ids.map { "\($0) 1" })])
        for id in ids {
          #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 1)
        }
      }
    }
  }

  /// As a crash leaves them between the steps and the reply to all of them.
  @Test func aRequestWhosePartsAreStoredIsReplayed() async throws {
    var ids: [String] = []
    var first: [UInt8] = []
    func many(_ client: SocketClient) throws -> Response {
      let steps = ids.map { "{\"session\":\"\($0)\",\"input\":\(input.json)}" }
      return try client.exchange(
        "POST", "/step", headers: [("Idempotency-Key", "m")],
        body: Array("{\"steps\":[\(steps.joined(separator: ","))]}".utf8))
    }
    try await serve(.memory) { client throws in
      ids = try (0..<2).map { _ in try client.makeSession() }
      first = try many(client).body
    }
    memory.keepParts(of: first)
    try await serve(.memory) { client throws in
      try expectProblem(try step(client, ids[0], "m"), 422, "key-reused")
      let again = try many(client)
      #expect(again.body == first)
      #expect(again.header("Idempotent-Replayed") == "true")
    }
  }
}

extension MemorySessionStore {
  /// Puts parts in the place of the reply to a request for two sessions.
  fileprivate func keepParts(of body: [UInt8]) {
    guard let whole = replies(atMost: .max).last, let applied = whole.applied else { return }
    let steps = String(decoding: body, as: UTF8.self).dropFirst("{\"steps\":[".count).dropLast(2)
    let split = steps.range(of: "},{\"session\"")!.lowerBound
    let bodies = [steps[...split], steps[steps.index(split, offsetBy: 2)...]]
    trimReplies(before: .max, bodies: 0..<0)
    commit([
      StoredChange(
        session: 0, lastActivity: .now,
        replies: bodies.enumerated().map { index, body in
          let parts = applied.list[index].split(separator: " ")
          return KeyedReply(
            key: whole.key, fingerprint: whole.fingerprint, part: index,
            response: HTTPResponse(status: 200, body: Array(body.utf8)),
            applied: AppliedSteps(String(parts[0]), step: 1), age: whole.age)
        })
    ])
  }
}
