import Testing

@testable import NTMServer

/// Requests that are sent again.
extension RouteTests {
  private static let inputs = ServedModel.copy.inputs(6)

  @Test(arguments: Transport.allCases)
  func aStepIsAnsweredAgainAndNotTakenAgain(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      for (index, input) in Self.inputs.enumerated() {
        let body = #"{"input": \#(input.json), "step": \#(index + 1)}"#
        let first = try await client.post("/sessions/\(session)/step", body)
        #expect(first.status == 200, "\(first.text)")
        #expect(first.header("Idempotent-Replayed") == nil)
        let again = try await client.post("/sessions/\(session)/step", body)
        #expect(again.status == 200)
        #expect(again.header("Idempotent-Replayed") == "true")
        #expect(again.text == first.text)
      }
      let direct = try DirectSession(.copy)
      for input in Self.inputs { _ = try direct.step(input) }
      let result = try await client.step(session, Self.inputs[0], returning: .all)
      #expect(result == (try direct.step(Self.inputs[0])).with(.all, session: session))
    }
  }

  @Test(arguments: Transport.allCases)
  func severalStepsAreAnsweredAgainToo(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let list = "[\(Self.inputs.map(\.json).joined(separator: ","))]"
      let body = #"{"inputs": \#(list), "return": ["output"], "step": 1}"#
      let first = try await client.post("/sessions/\(session)/step", body)
      let again = try await client.post("/sessions/\(session)/step", body)
      #expect(first.status == 200)
      #expect(again.text == first.text)
      #expect(again.header("Idempotent-Replayed") == "true")
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 6)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (input: 0, step: 1, returned: #"["output"]"#), (input: 1, step: 4, returned: #"["output"]"#),
      (input: 1, step: 2, returned: #"["memory"]"#), (input: 0, step: 2, returned: #"["output"]"#),
    ])
  func anotherStepIsRefusedAndSaysWhereTheSessionIs(
    _ transport: Transport, _ wrong: (input: Int, step: Int, returned: String)
  ) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      for (index, input) in Self.inputs.prefix(2).enumerated() {
        let body = #"{"input": \#(input.json), "return": ["output"], "step": \#(index + 1)}"#
        #expect(try await client.post("/sessions/\(session)/step", body).status == 200)
      }
      let before = try await client.memoryText(session)
      let body =
        #"{"input": \#(Self.inputs[wrong.input].json), "return": \#(wrong.returned), "#
        + #""step": \#(wrong.step)}"#
      try expectProblem(
        try await client.post("/sessions/\(session)/step", body), 409, "wrong-step",
        fields: ["step": .number(2), "expected": .number(3), "got": .number(wrong.step)])
      #expect(try await client.memoryText(session) == before)
    }
  }

  @Test(arguments: Transport.allCases)
  func aKeyIsOfWhatIsAskedForToo(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let send = { (query: String, accept: String) in
        try await client.send(
          "POST", "/sessions/\(session)/step?return=\(query)",
          headers: [("Idempotency-Key", "k"), ("Accept", accept)],
          body: Array(#"{"input": \#(Self.inputs[0].json)}"#.utf8))
      }
      #expect(try await send("output", "application/json").status == 200)
      try expectProblem(try await send("heads", "application/json"), 422, "key-reused")
      try expectProblem(try await send("output", "text/csv"), 422, "key-reused")
      #expect(
        try await send("output", "application/json").header("Idempotent-Replayed") == "true")
    }
  }

  @Test(arguments: Transport.allCases)
  func aStepWithoutNumberOrAResetForgetsTheReply(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let body = #"{"input": \#(Self.inputs[0].json), "step": 1}"#
      #expect(try await client.post("/sessions/\(session)/step", body).status == 200)
      _ = try await client.step(session, Self.inputs[1])
      try expectProblem(
        try await client.post("/sessions/\(session)/step", body), 409, "wrong-step")
      _ = try await client.post("/sessions/\(session)/reset")
      let fresh = try await client.post("/sessions/\(session)/step", body)
      #expect(fresh.status == 200)
      #expect(fresh.header("Idempotent-Replayed") == nil)
    }
  }

  @Test(arguments: Transport.allCases, ["0", "-1", "1.5", #""1""#, "null", "1e30"])
  func aStepNumberThatIsNoneIsRefused(_ transport: Transport, _ number: String) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let body = #"{"input": \#(Self.inputs[0].json), "step": \#(number)}"#
      try expectProblem(
        try await client.post("/sessions/\(session)/step", body), 400, "malformed-request")
    }
  }

  @Test(arguments: Transport.allCases)
  func aReplyTooLongToKeepIsNotTakenAgainEither(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let list = "[\(ServedModel.copy.inputs(64).map(\.json).joined(separator: ","))]"
      let body = #"{"inputs": \#(list), "step": 1}"#
      let first = try await client.post("/sessions/\(session)/step", body)
      #expect(first.status == 200 && first.body.count > RepeatableReply.largestBody)
      try expectProblem(
        try await client.post("/sessions/\(session)/step", body), 409, "wrong-step",
        fields: ["step": .number(64)])
    }
  }

  /// Every request is sent twice; the sessions end as those do of a client that sends each once.
  @Test(arguments: Transport.allCases)
  func aClientThatRepeatsEverythingEndsInTheSameState(_ transport: Transport) async throws {
    try await withService(transport) { client in
      var memories: [[String]] = []
      for repeats in [1, 2] {
        var keys = 0
        func send(_ target: String, _ body: String) async throws -> Response {
          keys += 1
          var response: Response?
          for _ in 0..<repeats {
            let reply = try await client.post(target, body, key: "\(repeats)-\(keys)")
            if let response { #expect(reply.text == response.text) }
            response = reply
          }
          return try #require(response)
        }
        let made = try await send("/sessions", #"{"model": "copy"}"#).object()
        let session = try #require(made["id"] as? String)
        for input in Self.inputs.prefix(3) {
          _ = try await send("/sessions/\(session)/step", #"{"input": \#(input.json)}"#)
        }
        let forked = try await send("/sessions/\(session)/fork", "").object()
        let fork = try #require(forked["id"] as? String)
        for (index, input) in Self.inputs.enumerated() {
          let target = index.isMultiple(of: 2) ? session : fork
          _ = try await send(
            "/step", #"{"steps": [{"session": "\#(target)", "input": \#(input.json)}]}"#)
        }
        memories.append([try await client.memoryText(session), try await client.memoryText(fork)])
      }
      #expect(memories[0] == memories[1])
      #expect(try await client.list("/sessions").ids.count == 4)
    }
  }

  @Test(arguments: Transport.allCases)
  func aKeyBelongsToOneRequest(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let first = try await client.post("/sessions", "{}", key: #""a key""#)
      #expect(first.status == 201)
      // The quotes of the draft are not part of it.
      let again = try await client.post("/sessions", "{}", key: "a key")
      #expect(again.text == first.text)
      #expect(again.status == 201)
      #expect(again.header("Location") == first.header("Location"))
      #expect(again.header("Idempotent-Replayed") == "true")
      try expectProblem(
        try await client.post("/sessions", #"{"model": "copy"}"#, key: "a key"), 422, "key-reused")
      for key in [#""""#, String(repeating: "k", count: 256)] {
        try expectProblem(
          try await client.post("/sessions", "{}", key: key), 400, "malformed-request")
      }
      #expect(try await client.list("/sessions").ids.count == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func aRefusalLeavesItsKeyFree(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxSessions = 1 }
    try await withService(transport, .copy, options) { client in
      let first = try await client.makeSession()
      try expectProblem(try await client.post("/sessions", "", key: "k"), 503, "limit-reached")
      _ = try await client.delete("/sessions/\(first)")
      #expect(try await client.post("/sessions", "", key: "k").status == 201)
    }
  }
}
