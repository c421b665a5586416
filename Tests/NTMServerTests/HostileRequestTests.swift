import Foundation
import Testing

@testable import NTMServer

/// Malformed, truncated and hostile requests over a live socket. Each gets its status, leaves the
/// session as it was, and the server lives on.
@Suite struct HostileRequestTests {
  // MARK: Bodies

  static let nine = "0,0,0,0,0,0,0,0,0"
  static let eight = "0,0,0,0,0,0,0,0"

  @Test(arguments: [
    (name: "a number for the body", body: "1", status: 400),
    (name: "a string for the body", body: #""input""#, status: 400),
    (name: "null for the body", body: "null", status: 400),
    (name: "a list for the body", body: "[\(nine)]", status: 400),
    (name: "an object for the input", body: #"{"input":{"0":1}}"#, status: 400),
    (name: "a string for the input", body: #"{"input":"\#(nine)"}"#, status: 400),
    (name: "null for the input", body: #"{"input":null}"#, status: 400),
    (name: "true for a number", body: #"{"input":[\#(eight),true]}"#, status: 400),
    (name: "null for a number", body: #"{"input":[\#(eight),null]}"#, status: 400),
    (name: "a string for a number", body: #"{"input":[\#(eight),"0"]}"#, status: 400),
    (name: "a list for a number", body: #"{"input":[\#(eight),[0]]}"#, status: 400),
    (name: "an object for a number", body: #"{"input":[\#(eight),{}]}"#, status: 400),
    (name: "a list of lists for the input", body: #"{"input":[[\#(nine)]]}"#, status: 400),
    (name: "a number for inputs", body: #"{"inputs":9}"#, status: 400),
    (name: "a list for inputs", body: #"{"inputs":[\#(nine)]}"#, status: 400),
    (name: "null among inputs", body: #"{"inputs":[[\#(nine)],null]}"#, status: 400),
    (name: "null for return", body: #"{"input":[\#(nine)],"return":null}"#, status: 400),
    (name: "an object for return", body: #"{"input":[\#(nine)],"return":{}}"#, status: 400),
    (name: "a number in return", body: #"{"input":[\#(nine)],"return":[1]}"#, status: 400),
    (name: "an unknown name in return", body: #"{"input":[\#(nine)],"return":[""]}"#, status: 400),
    (name: "NaN", body: #"{"input":[\#(eight),NaN]}"#, status: 400),
    (name: "Infinity", body: #"{"input":[\#(eight),Infinity]}"#, status: 400),
    (name: "minus Infinity", body: #"{"input":[\#(eight),-Infinity]}"#, status: 400),
    (name: "a hexadecimal number", body: #"{"input":[\#(eight),0x1]}"#, status: 400),
    (name: "leading zeros", body: #"{"input":[\#(eight),01]}"#, status: 400),
    (name: "a leading plus", body: #"{"input":[\#(eight),+1]}"#, status: 400),
    (name: "no digit before the point", body: #"{"input":[\#(eight),.5]}"#, status: 400),
    (name: "no digit after the point", body: #"{"input":[\#(eight),5.]}"#, status: 400),
    (name: "beyond float32", body: #"{"input":[\#(eight),1e39]}"#, status: 422),
    (name: "beyond float32 by rounding", body: #"{"input":[\#(eight),3.4028236e38]}"#, status: 422),
    (name: "beyond double", body: #"{"input":[\#(eight),1e400]}"#, status: 422),
    (name: "beyond minus double", body: #"{"input":[\#(eight),-1e400]}"#, status: 422),
    (
      name: "an exponent beyond Int", body: #"{"input":[\#(eight),1e99999999999999999999]}"#,
      status: 422
    ),
    (
      name: "400 digits", body: #"{"input":[\#(eight),1\#(String(repeating: "0", count: 400))]}"#,
      status: 422
    ),
    (name: "too few values", body: #"{"input":[\#(eight)]}"#, status: 422),
    (name: "too many values", body: #"{"input":[\#(nine),0]}"#, status: 422),
    (name: "no values", body: #"{"input":[]}"#, status: 422),
    (
      name: "100,000 values", body: #"{"input":[\#(String(repeating: "0,", count: 99_999))0]}"#,
      status: 422
    ),
    (name: "an empty input", body: #"{"inputs":[[]]}"#, status: 422),
    (name: "an input again", body: #"{"input":[\#(nine)],"input":[\#(nine)]}"#, status: 400),
    (
      name: "an input again, escaped", body: #"{"input":[\#(nine)],"\u0069nput":[\#(nine)]}"#,
      status: 400
    ),
    (name: "an unknown field", body: #"{"input":[\#(nine)],"steps":1}"#, status: 400),
    (name: "a field in capitals", body: #"{"Input":[\#(nine)]}"#, status: 400),
    (name: "neither input nor inputs", body: #"{"return":["output"]}"#, status: 400),
    (
      name: "both input and inputs", body: #"{"input":[\#(nine)],"inputs":[[\#(nine)]]}"#,
      status: 400
    ),
    (name: "a byte-order mark", body: "\u{FEFF}{\"input\":[\(nine)]}", status: 400),
    (name: "no body", body: "", status: 400),
    (name: "a zero", body: "\0", status: 400),
    (name: "a zero behind it", body: "{\"input\":[\(nine)]}\0", status: 400),
    (name: "something behind it", body: #"{"input":[\#(nine)]}x"#, status: 400),
    (
      name: "another body behind it", body: #"{"input":[\#(nine)]}{"input":[\#(nine)]}"#,
      status: 400
    ),
    (name: "a comma behind the last", body: #"{"input":[\#(nine),]}"#, status: 400),
    (name: "no closing brackets", body: #"{"input":[\#(nine)"#, status: 400),
    (name: "single quotes", body: "{'input':[\(nine)]}", status: 400),
    (name: "a comment", body: #"{"input":[\#(nine)]/**/}"#, status: 400),
    (name: "half a surrogate pair", body: #"{"\ud800":[\#(nine)]}"#, status: 400),
    (name: "a form", body: "input=\(nine)", status: 400),
    (name: "10,000 brackets", body: String(repeating: "[", count: 10_000), status: 400),
    (name: "a million brackets", body: String(repeating: "[", count: 1_000_000), status: 400),
    (
      name: "brackets for the input", body: #"{"input":\#(String(repeating: "[", count: 10_000))"#,
      status: 400
    ),
    (
      name: "balanced brackets",
      body:
        #"{"input":\#(String(repeating: "[", count: 5000))\#(String(repeating: "]", count: 5000))}"#,
      status: 400
    ),
    (name: "nested objects", body: String(repeating: #"{"input":"#, count: 10_000), status: 400),
    (name: "a megabyte of spaces", body: String(repeating: " ", count: 1 << 20), status: 400),
    (
      name: "a megabyte of a name",
      body: "{\"\(String(repeating: "x", count: 1 << 20))\":1}", status: 400
    ),
    (name: "a megabyte of commas", body: "[\(String(repeating: ",", count: 1 << 20))", status: 400),
  ])
  func aBadBodyIsRefused(_ bad: (name: String, body: String, status: Int)) async throws {
    try await expectRefused { client, id, _ in
      let response = try client.post("/sessions/\(id)/step", bad.body)
      #expect(response.status == bad.status, "\(response.text.prefix(300))")
      #expect(response.header("Content-Type") == "application/problem+json")
      #expect(try response.object()["status"] as? Int == bad.status)
    }
  }

  @Test(arguments: [
    (name: "a byte of no character", bytes: [0xFF] as [UInt8]),
    (name: "a surrogate", bytes: [0xED, 0xA0, 0x80]),
    (name: "an overlong quote", bytes: [0xC0, 0xA2]),
    (name: "half a character", bytes: [0xE2, 0x82]),
  ])
  func whatIsNotUTF8IsRefused(_ name: String, _ bytes: [UInt8]) async throws {
    try await expectRefused { client, id, _ in
      for (before, after) in [(#"{""#, #"":[]}"#), (#"{"input":["#, "]}"), ("", "{}")] {
        let body = Array(before.utf8) + bytes + Array(after.utf8)
        try expectProblem(
          try client.exchange("POST", "/sessions/\(id)/step", body: body), 400,
          "malformed-request")
      }
    }
  }

  /// What looks odd and is right all the same.
  @Test(arguments: [
    (name: "too small for a double", number: "1e-400", value: 0 as Float),
    (name: "minus that", number: "-1e-400", value: -0.0),
    (name: "too small for float32", number: "1e-46", value: 0),
    (name: "the smallest", number: "1.4e-45", value: .leastNonzeroMagnitude),
    (name: "minus zero", number: "-0", value: -0.0),
    (
      name: "many digits", number: "0.1000000000000000055511151231257827021181583404541015625",
      value: 0.1
    ),
    (name: "a capital exponent", number: "1E+0", value: 1),
    (name: "a long integer", number: "1\(String(repeating: "0", count: 30))e-30", value: 1),
  ])
  func anUnusualNumberIsTaken(_ name: String, _ number: String, _ value: Float) async throws {
    try await withLiveService(.several) { port in
      let client = try SocketClient(port: port)
      let id = try client.makeSession("mixed")
      let response = try client.post(
        "/sessions/\(id)/step",
        " {\t\"return\" :\(StepResult.Fields.all.json),\r\n\"input\": [ 1 ,\(number)\n, 0 ] } ")
      #expect(response.status == 200)
      #expect(
        try response.decoded(StepResult.self)
          == DirectSession(.mixed).step([1, value, 0]).with(.all, session: id))
    }
  }

  @Test func aBodyFullOfSpacesIsTaken() async throws {
    try await withLiveService(.several) { port in
      let client = try SocketClient(port: port)
      let id = try client.makeSession("mixed")
      let spaces = String(repeating: " \n", count: 1 << 19)
      let response = try client.post(
        "/sessions/\(id)/step", "\(spaces){\"input\":[1,0,1]}\(spaces)")
      #expect(response.status == 200)
    }
  }

  // MARK: Requests

  /// An answer of nil is a connection closed without one.
  @Test(arguments: [
    (name: "a line that is no request", text: "hello\r\n\r\n", answers: [nil]),
    (name: "HTTP/2.0", text: "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", answers: [505]),
    (name: "no HTTP version", text: "GET /livez NOTHTTP\r\nHost: x\r\n\r\n", answers: [400, 505]),
    (name: "a TLS greeting", text: "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n", answers: [nil]),
    (
      name: "a length that is no number",
      text: "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", answers: [400]
    ),
    (
      name: "a negative length",
      text: "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", answers: [400]
    ),
    (
      name: "a length beyond 64 bits",
      text: "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      answers: [400, 413]
    ),
    (
      name: "a malformed chunk",
      text:
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      answers: [400]
    ),
    (
      name: "a header flood",
      text: "GET /livez HTTP/1.1\r\nHost: x\r\n"
        + (0..<5000).map { "X-\($0): y\r\n" }.joined() + "\r\n",
      answers: [431, nil]
    ),
    (
      name: "a long header",
      text:
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "y", count: 100_000))\r\n\r\n",
      answers: [431, nil]
    ),
    (
      name: "a very long path",
      text: "GET /\(String(repeating: "a", count: 100_000)) HTTP/1.1\r\nHost: x\r\n\r\n",
      answers: [414, nil]
    ),
  ])
  func aMalformedRequestIsRefused(
    _ bad: (name: String, text: String, answers: [Int?])
  ) async throws {
    try await expectRefused { client, _, _ in
      // The server may close before it has read all, and what it said is lost then.
      try? client.send(bad.text)
      var answer: Int?
      do { answer = try client.receive().status } catch SocketClient.Failure.closed {}
      #expect(bad.answers.contains(answer), "\(String(describing: answer))")
    }
  }

  @Test(arguments: ["BREW", "PROPFIND", "get", String(repeating: "M", count: 1000)])
  func anUnknownMethodIsRefused(_ method: String) async throws {
    try await expectRefused { client, id, _ in
      let response = try client.exchange(method, "/sessions/\(id)/step", body: Array("{}".utf8))
      #expect(response.status == 405)
      #expect(response.header("Allow") == "POST")
    }
  }

  @Test(arguments: [
    "/\(String(repeating: "a", count: 3000))", "/\(String(repeating: "a/", count: 1500))",
    "/sessions/\(String(repeating: "x", count: 3000))",
    "/sessions/\(String(repeating: "%41", count: 1000))", "/../../etc/passwd",
    "/sessions/../models",
    "/sessions/%2e%2e/models", "/sessions/%00/memory", "*", "/sessions/%", "/%", "/#", "//",
  ])
  func anOddPathIsRefused(_ path: String) async throws {
    try await expectRefused { client, _, _ in
      let response = try client.exchange("GET", path)
      #expect([400, 404].contains(response.status))
      #expect(response.header("Content-Type") == "application/problem+json")
    }
  }

  @Test func aBodyOverTheLimitIsRefused() async throws {
    try await expectRefused(.testing { $0.http.maxBodyBytes = 1000 }) { client, id, _ in
      let body = String(repeating: " ", count: 1001)
      let refused = try client.post("/sessions/\(id)/step", body)
      try expectProblem(
        refused, 413, "body-too-large", detail: "the body is longer than 1000 bytes",
        fields: ["limit": .number(1000)])
    }
  }

  @Test func aChunkedBodyIsTakenOrRefusedAsAnyOther() async throws {
    try await withLiveService(.several) { port in
      let client = try SocketClient(port: port)
      let id = try client.makeSession("mixed")
      func post(_ parts: [String]) throws -> Response {
        try client.send(
          "POST", "/sessions/\(id)/step", headers: [("Transfer-Encoding", "chunked")])
        for part in parts {
          try client.send("\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n")
        }
        try client.send("0\r\n\r\n")
        return try client.receive()
      }
      let direct = try DirectSession(.mixed)
      _ = try direct.step([1, 0, 1])
      #expect(try post([#"{"inp"#, #"ut":[1"#, ",0,1]}"]).status == 200)
      try expectProblem(try post([#"{"input":[1,0,1]"#]), 400, "malformed-request")
      try expectProblem(try post([]), 400, "malformed-request")
      #expect(
        try client.step(id, [0, 1, 0]) == direct.step([0, 1, 0]).with(.all, session: id))
    }
  }

  @Test(arguments: [1, 10, 40])
  func aBodyThatIsCutOffChangesNothing(_ sent: Int) async throws {
    try await expectRefused { _, id, port in
      let body = Array(#"{"input":[1,1,1,1,1,1,1,1,1],"return":[]}"#.utf8)
      for byReset in [false, true] {
        let client = try SocketClient(port: port)
        try client.send(
          "POST", "/sessions/\(id)/step", headers: [("Content-Length", "\(body.count)")])
        try client.send(Array(body.prefix(sent)))
        byReset ? client.reset() : client.close()
      }
    }
  }

  @Test func anOldClientIsAnswered() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      try client.send("GET /livez HTTP/1.0\r\n\r\n")
      let response = try client.receive()
      #expect(response.status == 200)
      #expect(response.text == #"{"status":"ok"}"#)
      #expect(try client.isClosedByServer())
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
    try await withLiveService(.several) { port in
      let client = try SocketClient(port: port)
      let id = try client.makeSession("mixed")
      let direct = try DirectSession(.mixed)
      let inputs = ServedModel.mixed.inputs(50)
      // Good and bad ones, light and heavy ones in turn, all sent before an answer is read.
      for input in inputs {
        for body in [String.step(input), .step([]), .steps(Array(repeating: input, count: 3))] {
          try client.send("POST", "/sessions/\(id)/step", body: Array(body.utf8))
        }
        try client.send("GET", "/sessions")
      }
      for input in inputs {
        #expect(
          try client.receive().decoded(StepResult.self)
            == direct.step(input).with(.all, session: id))
        try expectProblem(try client.receive(), 422, "wrong-size")
        #expect(
          try client.receive().decoded(StepResults.self).steps
            == (0..<3).map { _ in try direct.step(input).with(.all, session: id) })
        #expect(try client.receive().status == 200)
      }
    }
  }

  // MARK: Nothing has changed

  /// Sends bad requests to a session that has taken a step, and expects it to go on as if nothing
  /// had been.
  private func expectRefused(
    _ options: ServiceOptions = .testing(),
    _ requests: (_ client: SocketClient, _ session: String, _ port: Int) throws -> Void
  ) async throws {
    try await withLiveService(.copy, options) { port in
      let inputs = ServedModel.copy.inputs(2)
      let direct = try DirectSession(.copy)
      _ = try direct.step(inputs[0])
      let id = try SocketClient(port: port).makeSession()
      _ = try SocketClient(port: port).step(id, inputs[0])
      try requests(try SocketClient(port: port), id, port)
      let client = try SocketClient(port: port)
      #expect(try client.exchange("GET", "/livez").status == 200)
      #expect(
        try client.step(id, inputs[1]) == direct.step(inputs[1]).with(.all, session: id))
    }
  }
}
