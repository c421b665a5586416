import Foundation
import Testing

@testable import NTMServer

/// Steps whose inputs come as lines.
extension RouteTests {
  private static let type = ("Content-Type", "application/x-ndjson")
  private static let inputs = ServedModel.copy.inputs(40)

  private static func lines(_ inputs: [[Float]]) -> [UInt8] {
    Array(inputs.map { $0.json + "\n" }.joined().utf8)
  }

  /// The results of the inputs, by steps of the model itself.
  private static func expected(
    _ session: String, _ inputs: [[Float]] = inputs
  ) throws -> [StepResult] {
    let direct = try DirectSession(.copy)
    return try inputs.map { try direct.step($0).with(.standard, session: session) }
  }

  private static func results(_ response: Response) throws -> [StepResult] {
    try response.text.split(separator: "\n").map { line in
      try Response(status: 200, headers: [], body: Array(line.utf8)).decoded()
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      "application/x-ndjson", "application/ndjson", "application/jsonl",
      "application/x-ndjson; charset=utf-8", "Application/X-NDJSON",
    ])
  func aStreamGivesWhatSingleStepsGive(_ transport: Transport, _ type: String) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [("Content-Type", type)],
        body: Self.lines(Self.inputs))
      #expect(response.status == 200, "\(response.text)")
      #expect(response.header("Content-Type") == "application/x-ndjson")
      #expect(try Self.results(response) == Self.expected(session))
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 40)
    }
  }

  /// Arrays and objects, numbered or not, lines of either end, lines of nothing, no end at all.
  @Test(arguments: Transport.allCases)
  func linesMayBeWrittenInSeveralWays(_ transport: Transport) async throws {
    let inputs = Array(Self.inputs.prefix(4))
    let body =
      "\n\(inputs[0].json)\r\n{\"input\": \(inputs[1].json)}\n  \n"
      + "{\"step\": 3, \"input\": \(inputs[2].json)}\r\n\r\n\(inputs[3].json)"
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type], body: Array(body.utf8))
      #expect(try Self.results(response) == Self.expected(session, inputs))
    }
  }

  @Test(arguments: Transport.allCases)
  func aStreamSaysWhatItIsAskedFor(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response = try await client.send(
        "POST", "/sessions/\(session)/step?return=output,heads", headers: [Self.type],
        body: Self.lines(Self.inputs))
      let direct = try DirectSession(.copy)
      let fields = StepResult.Fields(rawValue: 0b100001)
      #expect(
        try Self.results(response)
          == Self.inputs.map { try direct.step($0).with(fields, session: session) })
      try expectProblem(
        try await client.send(
          "POST", "/sessions/\(session)/step?return=outputs", headers: [Self.type],
          body: Self.lines(Self.inputs)), 400, "malformed-request",
        detail:
          "return[0] is \"outputs\"; valid are input, output, read_weightings, write_weightings, "
          + "read_vectors, memory, heads")
    }
  }

  @Test(arguments: Transport.allCases)
  func aStreamMayBeOfEvents(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type, ("Accept", "text/event-stream")],
        body: Self.lines(Self.inputs))
      #expect(response.header("Content-Type") == "text/event-stream")
      let events = response.text.components(separatedBy: "\n\n").dropLast()
      let results = try events.map { event in
        let lines = event.split(separator: "\n")
        #expect(lines.count == 2 && lines[0] == "event: step")
        return try Response(
          status: 200, headers: [], body: Array(lines[1].dropFirst("data: ".count).utf8)
        ).decoded(StepResult.self)
      }
      #expect(try results == Self.expected(session))
    }
  }

  /// As the reply to lines, to several inputs and to one.
  @Test(arguments: Transport.allCases, ["lines", "inputs", "input"])
  func outputsMayBeCSV(_ transport: Transport, _ kind: String) async throws {
    let inputs = kind == "input" ? [Self.inputs[0]] : Self.inputs
    let accept = ("Accept", "text/csv")
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response =
        switch kind {
        case "lines":
          try await client.send(
            "POST", "/sessions/\(session)/step", headers: [Self.type, accept],
            body: Self.lines(inputs))
        case "inputs":
          try await client.send(
            "POST", "/sessions/\(session)/step", headers: [accept],
            body: Array(String.steps(inputs).utf8))
        default:
          try await client.send(
            "POST", "/sessions/\(session)/step", headers: [accept],
            body: Array(String.step(inputs[0]).utf8))
        }
      #expect(response.header("Content-Type") == "text/csv")
      #expect(!response.text.contains("\r"))
      let rows = response.text.split(separator: "\n").map { line in
        line.split(separator: ",").compactMap { Float($0).map(Exact.init) }
      }
      #expect(try rows == Self.expected(session, inputs).map(\.output))
    }
  }

  // MARK: Refusals

  /// What is wrong before the first step is a request that is wrong.
  @Test(
    arguments: Transport.allCases,
    [
      (body: "", status: 400, name: "malformed-request", detail: "the body has no line"),
      (body: "\n \r\n", status: 400, name: "malformed-request", detail: "the body has no line"),
      (
        body: String(repeating: "\n", count: 1001) + "[0,0,0,0,0,0,0,0,0]", status: 400,
        name: "malformed-request", detail: "lines 1 to 1001 are blank"
      ),
      (
        body: "\u{1}\n[0,0,0,0,0,0,0,0,0]", status: 400, name: "malformed-request",
        detail: "line 1: the line is not JSON"
      ),
      (body: "[1,", status: 400, name: "malformed-request", detail: "line 1: the line is not JSON"),
      (body: "\n[1]\n", status: 422, name: "wrong-size", detail: "line 2: input has 1 values"),
      (
        body: #"{"inputs": []}"#, status: 400, name: "malformed-request",
        detail: "line 1: the line has an unknown field \"inputs\""
      ),
      (
        body: #"{"step": 1}"#, status: 400, name: "malformed-request",
        detail: "line 1: the line has no \"input\""
      ),
      (
        body: #"{"step": 3, "input": [0,0,0,0,0,0,0,0,0]}"#, status: 409, name: "wrong-step",
        detail: "line 1: the session has taken 0 steps: the next is 1, not 3"
      ),
    ])
  func aStreamThatBeginsWrongIsRefused(
    _ transport: Transport, _ wrong: (body: String, status: Int, name: String, detail: String)
  ) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let response = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type],
        body: Array((wrong.body + "\n").utf8))
      try expectProblem(response, wrong.status, wrong.name)
      let detail = try #require(response.object()["detail"] as? String)
      #expect(detail.hasPrefix(wrong.detail), "\(detail)")
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 0)
      // It holds nobody up.
      #expect(try await client.step(session, Self.inputs[0]).step == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func aStreamIsOfAKnownForm(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let refused = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type, ("Accept", "application/json")],
        body: Self.lines(Self.inputs))
      try expectProblem(refused, 406, "not-acceptable")
      let json = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [("Accept", "text/event-stream")],
        body: Array(String.step(Self.inputs[0]).utf8))
      try expectProblem(json, 406, "not-acceptable")
    }
  }

  @Test(arguments: Transport.allCases)
  func aStreamTakesNoKey(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let refused = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type, ("Idempotency-Key", "k")],
        body: Self.lines(Self.inputs))
      try expectProblem(refused, 400, "malformed-request")
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 0)
    }
  }

  /// What is wrong later ends the stream with a problem, and what was applied stays.
  @Test(
    arguments: Transport.allCases,
    [
      (line: "[1,2]", form: "application/x-ndjson", name: "wrong-size", status: 422),
      (line: "[1", form: "application/x-ndjson", name: "malformed-request", status: 400),
      (
        line: #"{"step": 5, "input": [0,0,0,0,0,0,0,0,0]}"#, form: "application/x-ndjson",
        name: "wrong-step", status: 409
      ),
      (line: "[1e39]", form: "text/event-stream", name: "wrong-size", status: 422),
      (
        line: "[1e39,0,0,0,0,0,0,0,0]", form: "text/event-stream", name: "not-finite", status: 422
      ),
      (line: "[]", form: "text/csv", name: "wrong-size", status: 422),
    ])
  func anErrorEndsTheStreamAndSaysHowMuchWasApplied(
    _ transport: Transport, _ wrong: (line: String, form: String, name: String, status: Int)
  ) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      _ = try await client.step(session, Self.inputs[0])
      let inputs = Array(Self.inputs.prefix(7))
      let body = Self.lines(inputs) + Array((wrong.line + "\n").utf8) + Self.lines(inputs)
      let send = {
        try await client.send(
          "POST", "/sessions/\(session)/step?return=output",
          headers: [Self.type, ("Accept", wrong.form)], body: body)
      }
      if wrong.form == "text/csv", transport != .router {
        // A shell sees it by the exit code of its client.
        await #expect(throws: (any Error).self) { try await send() }
      } else {
        let response = try await send()
        #expect(response.status == 200)
        let lines = response.text.split(separator: "\n")
        #expect(lines.count == (wrong.form == "text/event-stream" ? 16 : 8))
        let last = try #require(lines.last)
        if wrong.form == "text/event-stream" { #expect(lines[14] == "event: problem") }
        let problem = try Response(
          status: 200, headers: [], body: Array(last.drop { $0 != "{" }.utf8)
        ).object()
        #expect(problem["type"] as? String == "urn:ntm:problem:\(wrong.name)")
        #expect(problem["status"] as? Int == wrong.status)
        #expect(problem["applied"] as? Int == 7)
        #expect(problem["line"] as? Int == 8)
        #expect((problem["detail"] as? String)?.hasPrefix("line 8: ") == true)
        #expect(problem["request_id"] as? String == response.header("X-Request-Id"))
      }
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 8)
      // The state is that of the steps which were applied.
      let direct = try DirectSession(.copy)
      for input in [Self.inputs[0]] + inputs { _ = try direct.step(input) }
      #expect(
        try await client.step(session, Self.inputs[9], returning: .all)
          == direct.step(Self.inputs[9]).with(.all, session: session))
    }
  }

  @Test(arguments: Transport.allCases)
  func aStepThatOverflowsEndsTheStreamOnTheLineBefore(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let session = try await client.makeSession("overflowing")
      let response = try await client.send(
        "POST", "/sessions/\(session)/step?return=output", headers: [Self.type],
        body: Array("[1]\n[2]\n[3e38]\n[1]\n".utf8))
      let lines = response.text.split(separator: "\n")
      #expect(lines.count == 3)
      let problem = try Response(status: 200, headers: [], body: Array(lines[2].utf8)).object()
      #expect(problem["type"] as? String == "urn:ntm:problem:not-finite")
      #expect(problem["applied"] as? Int == 2)
      #expect(problem["line"] as? Int == 3)
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 2)
    }
  }

  /// The reply that was kept of a numbered step is out of date when a stream has gone on.
  @Test(arguments: Transport.allCases)
  func aStreamForgetsTheReplyOfTheStepBefore(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let numbered = #"{"input": \#(Self.inputs[0].json), "step": 1}"#
      #expect(try await client.post("/sessions/\(session)/step", numbered).status == 200)
      _ = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [Self.type],
        body: Self.lines([Self.inputs[1]]))
      try expectProblem(
        try await client.post("/sessions/\(session)/step", numbered), 409, "wrong-step",
        fields: ["step": .number(2)])
    }
  }

  // MARK: Size

  /// A stream is longer than a body may be, and than a reply may be.
  @Test func aStreamIsBoundedByItsOwnLimit() async throws {
    let inputs = ServedModel.copy.inputs(3000)
    let body = Self.lines(inputs)
    let options = ServiceOptions.testing {
      $0.http.maxBodyBytes = 4096
      $0.maxReply = 4096
      $0.maxStream = body.count
    }
    try await withLiveService(.copy, options) { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let path = "/sessions/\(session)/step?return=output"
      let response = try client.exchange("POST", path, headers: [Self.type], body: body)
      let direct = try DirectSession(.copy)
      #expect(
        try Self.results(response)
          == inputs.map { try direct.step($0).with(.output, session: session) })
      try expectProblem(
        try SocketClient(port: port).exchange(
          "POST", path, headers: [Self.type], body: body + Self.lines(Self.inputs)), 413,
        "body-too-large")
      let long = Self.lines([Self.inputs[0]]) + [UInt8](repeating: 32, count: 5000)
      let last = try SocketClient(port: port)
        .exchange("POST", path, headers: [Self.type], body: long + Self.lines([Self.inputs[0]]))
        .text.split(separator: "\n").last
      #expect(last?.contains("line 2 is longer than 4096 bytes") == true)
      #expect(last?.contains(#""applied":1"#) == true)
    }
  }
}
