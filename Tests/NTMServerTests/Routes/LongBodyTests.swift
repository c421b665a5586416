import Testing

@testable import NTMServer

/// Long bodies, and bodies whose parsing would need much memory.
@Suite struct LongBodyTests {
  private static let budget = 8 << 20

  private func withClient(
    _ body: (Service, SocketClient, _ session: String) throws -> Void
  ) async throws {
    await Places.services.take()
    defer { Task { await Places.services.giveBack() } }
    let service = try Service(
      pool: .copy, options: .testing { $0.http.maxBodyMemory = Self.budget }, logger: .silent)
    try service.start()
    do {
      let client = try SocketClient(port: try #require(service.port))
      try body(service, client, try client.makeSession())
    } catch {
      service.stop(drainTimeout: .zero)
      throw error
    }
    #expect(waitUntil { service.bodyBudget?.memory.used == 0 })
    service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds))
  }

  private static let deep =
    String(repeating: "[", count: 31) + String(repeating: "]", count: 31) + ","

  @Test func lineThatNeedsTooMuchMemoryIsRefused() async throws {
    try await withClient { _, client, session in
      let inputs = ServedModel.copy.inputs(1)[0].json
      let line = "[" + String(repeating: Self.deep, count: 10_000) + "[]]"
      let response = try client.exchange(
        "POST", "/sessions/\(session)/step",
        headers: [("Content-Type", "application/x-ndjson")],
        body: Array("\(inputs)\n\(line)\n\(inputs)\n".utf8))
      let lines = response.text.split(separator: "\n")
      #expect(lines.count == 2)
      let problem = try Response(
        status: 200, headers: [], body: Array(try #require(lines.last).utf8)
      ).object()
      #expect(problem["status"] as? Int == 413)
      #expect(problem["line"] as? Int == 2)
      #expect(problem["applied"] as? Int == 1)
      // A long line with one input is valid.
      let long = try client.exchange(
        "POST", "/sessions/\(session)/step",
        headers: [("Content-Type", "application/x-ndjson")],
        body: Array((inputs + String(repeating: " ", count: 200_000) + "\n").utf8))
      #expect(long.status == 200)
      #expect(try client.exchange("GET", "/sessions/\(session)").object()["step"] as? Int == 2)
    }
  }

  @Test(arguments: ["/sessions", "/step", "/sessions/{id}/step", "/v2/models/copy/infer"])
  func bodyThatNeedsTooMuchMemoryIsRefused(_ path: String) async throws {
    try await withClient { _, client, session in
      let body = "[" + String(repeating: Self.deep, count: 10_000) + "[]]"
      let response = try client.post(path.replacing("{id}", with: session), body)
      #expect(response.status == 413)
      #expect(response.text.contains("bytes of memory"))
    }
  }

  /// A request that waits for its session holds its inputs, and not what parsing took.
  @Test(arguments: ["/sessions/{id}/step", "/step", "/sessions/{id}/fork"])
  func waitingRequestHoldsLittleMemory(_ path: String) async throws {
    try await withClient { service, client, session in
      let input = ServedModel.copy.inputs(1)[0].json
      // A stream that is not read keeps the session.
      let stream = try SocketClient(port: try #require(service.port))
      try stream.send(
        "POST", "/sessions/\(session)/step?return=memory",
        headers: [("Content-Type", "application/x-ndjson")],
        body: Array(String(repeating: input + "\n", count: 20_000).utf8))
      try #require(
        waitUntil {
          (try? client.exchange("GET", "/sessions/\(session)").object()["step"] as? Int) ?? 0 > 0
        })
      let spaces = String(repeating: " ", count: 300_000)
      let body =
        switch path {
        case "/step": #"{"steps":[{"session":"\#(session)","input":\#(input)}]\#(spaces)}"#
        case "/sessions/{id}/fork": #"{\#(spaces)}"#
        default: #"{"input":\#(input)\#(spaces)}"#
        }
      let before = service.bodyBudget?.memory.used ?? 0
      let waiting = try SocketClient(port: try #require(service.port))
      try waiting.send(
        "POST", path.replacing("{id}", with: session), body: Array(body.utf8))
      // It is parsed before a request that comes later and needs the same workers.
      try #require(try client.post("/sessions", "{\(spaces)}").status == 201)
      #expect(waitUntil { (service.bodyBudget?.memory.used ?? .max) < before + 1000 })
      stream.close()
      let reply = try waiting.receive()
      #expect([200, 201].contains(reply.status), "\(reply.text)")
    }
  }

  @Test func refusalForWantOfMemoryHasOneRetryAfter() async throws {
    try await withClient { service, client, _ in
      let port = try #require(service.port)
      let held = try SocketClient(port: port)
      try held.send("POST", "/sessions", headers: [("Content-Length", "\(7 << 20)")])
      try held.send([UInt8](repeating: 32, count: 7 << 20 - 1))
      #expect(waitUntil { (service.bodyBudget?.memory.used ?? 0) >= 7 << 20 })
      let refused = try client.exchange(
        "POST", "/sessions", body: [UInt8](repeating: 32, count: 2 << 20))
      #expect(refused.status == 503)
      #expect(refused.headers.filter { $0.name.lowercased() == "retry-after" }.count == 1)
      held.close()
    }
  }

  @Test func problemQuotesOnlyTheBeginningOfALongText() async throws {
    try await withClient { _, client, _ in
      let name = String(repeating: "é", count: 100_000)
      for body in [#"{"model":"\#(name)"}"#, #"{"\#(name)":1}"#] {
        let response = try client.post("/sessions", body)
        #expect((400..<500).contains(response.status))
        #expect(response.body.count < 3 * Problem.longestText)
        let detail = try #require(response.object()["detail"] as? String)
        #expect(detail.contains("éé… ("))
      }
    }
  }
}
