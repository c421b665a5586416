import Foundation
import Testing

@testable import NTMServer

/// The Open Inference Protocol, through the router and over a socket. NVIDIA's client is tried by
/// Tests/Clients/inference_protocol.py.
@Suite struct InferenceTests {
  private static let path = "/v2/models/copy/infer"
  private static let inputs = ServedModel.copy.inputs(6)

  struct Reply: Decodable {
    struct Output: Decodable {
      var name: String
      var datatype: String
      var shape: [Int]
      var data: [Exact]?
      var parameters: Parameters?
    }

    struct Parameters: Decodable {
      var binaryDataSize: Int?
      var session: String?
      var step: Int?
    }

    var modelName: String
    var modelVersion: String
    var id: String?
    var parameters: Parameters?
    var outputs: [Output]

    func data(_ name: String) -> [Exact]? { outputs.first { $0.name == name }?.data }
  }

  /// A request as a client writes it.
  private static func body(
    _ inputs: [[Float]], parameters: String = "{}", shape: [Int]? = nil, data: String? = nil,
    more: String = ""
  ) -> String {
    let data = data ?? "[\(inputs.flatMap { $0 }.map(\.description).joined(separator: ","))]"
    let shape = shape ?? [inputs.count, 9]
    return #"{"parameters":\#(parameters),"inputs":[{"name":"input","datatype":"FP32","#
      + #""shape":\#(shape),"data":\#(data)}]\#(more)}"#
  }

  private func infer(
    _ client: any TestClient, _ body: String, path: String = path
  ) async throws -> Reply {
    let response = try await client.post(path, body)
    try #require(response.status == 200, "\(response.text)")
    return try response.decoded()
  }

  /// What the model gives.
  private static func expected(_ inputs: [[Float]]) throws -> [StepResult] {
    let direct = try DirectSession(.copy)
    return try inputs.map { try direct.step($0) }
  }

  private func expectRefusal(
    _ response: Response, _ status: Int, _ name: String, _ part: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try expectProblem(response, status, name, sourceLocation: sourceLocation)
    let object = try response.object()
    let error = try #require(object["error"] as? String, sourceLocation: sourceLocation)
    #expect(error == object["detail"] as? String, sourceLocation: sourceLocation)
    #expect(error.contains(part), "\(error)", sourceLocation: sourceLocation)
  }

  // MARK: Sequences

  @Test(arguments: Transport.allCases, ["12", "18446744073709551615", #""a name""#])
  func aSequenceGivesWhatItsModelGives(_ transport: Transport, _ id: String) async throws {
    try await withService(transport) { client in
      let expected = try Self.expected(Self.inputs)
      var session: String?
      for (index, input) in Self.inputs.enumerated() {
        let parameters =
          #"{"sequence_id":\#(id),"sequence_start":\#(index == 0),"#
          + #""sequence_end":\#(index == 5),"priority":3}"#
        let reply = try await infer(client, Self.body([input], parameters: parameters))
        #expect(reply.modelName == "copy")
        #expect(reply.modelVersion == ServedModel.copy.version)
        #expect(reply.outputs.map(\.name) == ["output", "read_weightings", "write_weightings"])
        #expect(reply.outputs.map(\.shape) == [[1, 8], [1, 1, 128], [1, 1, 128]])
        #expect(reply.outputs.allSatisfy { $0.datatype == "FP32" })
        #expect(reply.data("output") == expected[index].output)
        #expect(reply.data("read_weightings") == expected[index].readWeightings?.flatMap { $0 })
        #expect(reply.data("write_weightings") == expected[index].writeWeightings?.flatMap { $0 })
        #expect(reply.parameters?.step == index + 1)
        #expect(session == nil || reply.parameters?.session == session)
        session = reply.parameters?.session
      }
      // The end of the sequence is that of its session.
      let ended = try await client.get("/sessions/\(try #require(session))")
      try expectProblem(ended, 404, "no-such-session", fields: ["reason": .text("deleted")])
    }
  }

  /// A double would be the same for both.
  @Test(arguments: Transport.allCases)
  func largeNumbersAreNamesOfTheirOwn(_ transport: Transport) async throws {
    try await withService(transport) { client in
      for id in ["9007199254740992", "9007199254740993"] {
        let body = Self.body(
          [Self.inputs[0]], parameters: #"{"sequence_id":\#(id),"sequence_start":true}"#)
        let response = try await client.post(Self.path, body)
        #expect(response.text.contains(#""sequence_id":\#(id),"#))
      }
      let sessions = try await client.get("/sessions").object()["sessions"] as? [Any]
      #expect(sessions?.count == 2)
    }
  }

  @Test(arguments: Transport.allCases)
  func severalStepsAreALeadingDimension(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let expected = try Self.expected(Self.inputs).flatMap { $0.output ?? [] }
      let nested = "[\(Self.inputs.map(\.json).joined(separator: ","))]"
      for data in [nil, nested] {
        let reply = try await infer(client, Self.body(Self.inputs, data: data))
        #expect(reply.outputs[0].shape == [6, 8])
        #expect(reply.data("output") == expected)
        // It was of no sequence, and left nothing behind.
        #expect(reply.parameters == nil)
      }
      let sessions = try await client.get("/sessions").object()["sessions"] as? [Any]
      #expect(sessions?.isEmpty == true)
    }
  }

  @Test(arguments: Transport.allCases)
  func aSequenceThatBeginsAgainBeginsAnew(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let start = #"{"sequence_id":1,"sequence_start":true}"#
      let first = try await infer(client, Self.body([Self.inputs[0]], parameters: start))
      let second = try await infer(client, Self.body([Self.inputs[0]], parameters: start))
      #expect(first.data("output") == second.data("output"))
      #expect(first.parameters?.session != second.parameters?.session)
      let listed = try await client.get("/sessions").text
      let (old, new) = (first.parameters?.session ?? "", second.parameters?.session ?? "")
      #expect(!old.isEmpty && !listed.contains(old))
      #expect(!new.isEmpty && listed.contains(new))
    }
  }

  /// Several inputs are applied all or none, and watchers and numbered steps know of them.
  @Test(arguments: Transport.allCases)
  func aRefusedRequestChangesNothing(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let path = "/v2/models/overflowing/infer"
      let body = { (values: String, shape: [Int], start: Bool) in
        #"{"parameters":{"sequence_id":4,"sequence_start":\#(start)},"inputs":[{"name":"input","#
          + #""datatype":"FP32","shape":\#(shape),"data":\#(values)}]}"#
      }
      let first = try await infer(client, body("[1]", [1, 1], true), path: path)
      let session = try #require(first.parameters?.session)
      let before = try await client.memoryText(session)
      try expectRefusal(
        try await client.post(path, body("[1,3e38]", [2, 1], false)), 422, "not-finite", "input[1]:"
      )
      #expect(try await client.memoryText(session) == before)
      // Nor does a start that fails end the sequence that there is, or leave a session.
      try expectRefusal(
        try await client.post(path, body("[3e38]", [1, 1], true)), 422, "not-finite",
        "not a number")
      #expect(try await infer(client, body("[1]", [1], false), path: path).parameters?.step == 2)
      let sessions = try await client.get("/sessions").object()["sessions"] as? [Any]
      #expect(sessions?.count == 1)
    }
  }

  /// Whoever sent a step twice because the answer was lost has it counted once.
  @Test(arguments: Transport.allCases)
  func aKeyProtectsAnInferenceToo(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let body = Self.body(
        [Self.inputs[0]], parameters: #"{"sequence_id":9,"sequence_start":true}"#)
      let first = try await client.post(Self.path, body, key: "k")
      let again = try await client.post(Self.path, body, key: "k")
      #expect(again.text == first.text)
      #expect(again.header("Idempotent-Replayed") == "true")
      // What the router refuses before an inference is refused in the same form.
      let other = Self.body(
        [Self.inputs[1]], parameters: #"{"sequence_id":9,"sequence_start":true}"#)
      try expectRefusal(
        try await client.post(Self.path, other, key: "k"), 422, "key-reused", "belongs to another")
      try expectRefusal(
        try await client.get("/v2/nothing"), 404, "no-such-resource", "/v2/nothing")
    }
  }

  /// The reply that is kept of a numbered step is not that of a sequence's step after it.
  @Test(arguments: Transport.allCases)
  func aSequencesStepForgetsTheReplyBefore(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let start = #"{"sequence_id":1,"sequence_start":true}"#
      let begun = try await infer(client, Self.body([Self.inputs[0]], parameters: start))
      let session = try #require(begun.parameters?.session)
      let numbered = #"{"input":\#(Self.inputs[1].json),"step":2}"#
      #expect(try await client.post("/sessions/\(session)/step", numbered).status == 200)
      _ = try await infer(
        client, Self.body([Self.inputs[2]], parameters: #"{"sequence_id":1}"#))
      try expectProblem(
        try await client.post("/sessions/\(session)/step", numbered), 409, "wrong-step")
    }
  }

  // MARK: Binary tensors

  @Test(arguments: Transport.allCases)
  func tensorsMayBeBinary(_ transport: Transport) async throws {
    let numbers = Self.inputs.flatMap { $0 }
      .flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    let header =
      #"{"inputs":[{"name":"input","datatype":"FP32","shape":[6,9],"#
      + #""parameters":{"binary_data_size":\#(numbers.count)}}],"outputs":["#
      + #"{"name":"read_weightings","parameters":{"binary_data":false}},{"name":"output"}],"#
      + #""parameters":{"binary_data_output":true}}"#
    try await withService(transport) { client in
      let response = try await client.send(
        "POST", Self.path,
        headers: [("Inference-Header-Content-Length", "\(header.utf8.count)")],
        body: Array(header.utf8) + numbers)
      #expect(response.status == 200, "\(response.text)")
      #expect(response.header("Content-Type") == "application/octet-stream")
      let length = try #require(Int(response.header("Inference-Header-Content-Length") ?? ""))
      let reply: Reply = try Response(
        status: 200, headers: [], body: Array(response.body[..<length])
      ).decoded()
      let expected = try Self.expected(Self.inputs)
      #expect(reply.outputs.map(\.name) == ["read_weightings", "output"])
      #expect(reply.outputs[0].data == expected.flatMap { $0.readWeightings?.flatMap { $0 } ?? [] })
      #expect(reply.outputs[1].data == nil)
      #expect(reply.outputs[1].parameters?.binaryDataSize == 6 * 8 * 4)
      let values = response.body[length...].withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map {
          Exact(
            Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
      #expect(values == expected.flatMap { $0.output ?? [] })
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (length: "x", behind: 36, size: "36", part: "is a number of bytes"),
      (length: "-1", behind: 36, size: "36", part: "is a number of bytes"),
      (length: "9999", behind: 36, size: "36", part: "the body has"),
      (length: nil, behind: 35, size: "35", part: "has 35 bytes"),
      (length: nil, behind: 36, size: "32", part: "36 bytes stand behind the JSON"),
      (length: nil, behind: 40, size: "36", part: "40 bytes stand behind the JSON"),
      (length: nil, behind: 32, size: "32", part: "has 8 values"),
    ] as [(length: String?, behind: Int, size: String, part: String)])
  func wrongLengthsAreRefused(
    _ transport: Transport, _ wrong: (length: String?, behind: Int, size: String, part: String)
  ) async throws {
    let header =
      #"{"inputs":[{"name":"input","datatype":"FP32","shape":[1,9],"#
      + #""parameters":{"binary_data_size":\#(wrong.size)}}]}"#
    try await withService(transport) { client in
      let response = try await client.send(
        "POST", Self.path,
        headers: [
          ("Inference-Header-Content-Length", wrong.length ?? "\(header.utf8.count)")
        ], body: Array(header.utf8) + [UInt8](repeating: 0, count: wrong.behind))
      #expect((400...422).contains(response.status))
      let error = try #require(response.object()["error"] as? String)
      #expect(error.contains(wrong.part), "\(error)")
    }
  }

  // MARK: Refusals

  @Test(
    arguments: Transport.allCases,
    [
      (body: "", status: 400, part: "the body is empty"),
      (body: "[]", status: 400, part: "the body is a list"),
      (body: "{}", status: 400, part: "inputs has 0 tensors"),
      (body: #"{"inputs":[{"name":"x"}]}"#, status: 400, part: #"one named "input""#),
      (
        body: #"{"inputs":[{"name":"input","datatype":"INT8","shape":[1,9],"data":[0]}]}"#,
        status: 400, part: "it takes FP32"
      ),
      (
        body: #"{"inputs":[{"name":"input","datatype":"FP32","shape":[1,9]}]}"#, status: 400,
        part: "either data or"
      ),
      (body: body([[]], shape: [1, 8]), status: 422, part: "takes [9] or [steps, 9]"),
      (body: body([[]], shape: [0, 9]), status: 422, part: "takes [9] or [steps, 9]"),
      (body: body([[]], shape: [1, 1, 9]), status: 422, part: "takes [9] or [steps, 9]"),
      (body: body([[1]]), status: 422, part: "has 1 values"),
      (
        body: body([[]], data: "[1e39,0,0,0,0,0,0,0,0]"), status: 422, part: "value 0 is not finite"
      ),
      (body: body([[]], data: #"["a"]"#), status: 400, part: "inputs[0].data is a string"),
      (
        body: body(inputs, parameters: #"{"sequence_start":true}"#), status: 400,
        part: "sequence_start is there without a sequence_id"
      ),
      (
        body: body(inputs, parameters: #"{"sequence_end":true,"sequence_id":0}"#), status: 400,
        part: "sequence_end is there without a sequence_id"
      ),
      (
        body: body(inputs, parameters: #"{"sequence_id":1.5}"#), status: 400,
        part: "a text, or a whole number"
      ),
      (
        body: body(inputs, parameters: #"{"sequence_id":18446744073709551616}"#), status: 400,
        part: "a text, or a whole number up to 18446744073709551615, is expected"
      ),
      (
        body: body(inputs, parameters: #"{"sequence_id":true}"#), status: 400,
        part: "sequence_id is true or false; a text, or a whole number"
      ),
      (
        body: body(inputs, parameters: #"{"sequence_id":5}"#), status: 404,
        part: "its first request has to have sequence_start"
      ),
      (
        body: body(inputs, more: #","outputs":[{"name":"memory"}]"#), status: 400,
        part: "there is output, read_weightings, write_weightings"
      ),
      (
        body: body(inputs, more: #","outputs":[{"name":"output"},{"name":"output"}]"#), status: 400,
        part: "twice"
      ),
      (
        body: body(
          inputs,
          more: #","outputs":[{"name":"output","parameters":{"shared_memory_region":"r"}}]"#),
        status: 400, part: "shared_memory_region"
      ),
    ])
  func whatIsWrongIsSaid(
    _ transport: Transport, _ wrong: (body: String, status: Int, part: String)
  ) async throws {
    try await withService(transport) { client in
      let response = try await client.post(Self.path, wrong.body)
      #expect(response.status == wrong.status, "\(response.text)")
      let error = try #require(response.object()["error"] as? String)
      #expect(error.contains(wrong.part), "\(error)")
      let sessions = try await client.get("/sessions").object()["sessions"] as? [Any]
      #expect(sessions?.isEmpty == true)
    }
  }

  @Test(arguments: Transport.allCases)
  func aReplyIsNotLongerThanAllowed(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxReply = 10_000 }
    try await withService(transport, .copy, options) { client in
      try expectRefusal(
        try await client.post(Self.path, Self.body(ServedModel.copy.inputs(100))), 422, "too-much",
        "ask for fewer outputs")
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      "/v2/models/none", "/v2/models/none/ready", "/v2/models/none/stats",
      "/v2/models/copy/versions/1", "/v2/models/copy/versions/1/ready",
    ])
  func whatIsNotServedIsNotThere(_ transport: Transport, _ path: String) async throws {
    try await withService(transport) { client in
      try expectRefusal(try await client.get(path), 404, "no-such-model", "copy")
    }
  }

  @Test(arguments: Transport.allCases)
  func aVersionIsNamedByItsDigest(_ transport: Transport) async throws {
    try await withService(transport) { client in
      for version in [ServedModel.copy.version, ServedModel.copy.digest] {
        let path = "/v2/models/copy/versions/\(version)"
        let replies = [
          try await client.get(path), try await client.get(path + "/ready"),
          try await client.post(path + "/infer", Self.body(Self.inputs)),
        ]
        #expect(replies.map(\.status) == [200, 200, 200])
      }
    }
  }

  @Test func manyRequestsOfASequenceAreTakenOneByOne() async throws {
    try await withLiveService { port in
      let first = try SocketClient(port: port)
      let start = #"{"sequence_id":1,"sequence_start":true}"#
      _ = try first.post(Self.path, Self.body([Self.inputs[0]], parameters: start))
      let steps = try onThreads(16) { _ in
        let client = try SocketClient(port: port)
        return try (0..<5).map { _ in
          let reply: Reply = try client.post(
            Self.path, Self.body([Self.inputs[0]], parameters: #"{"sequence_id":1}"#)
          ).decoded()
          return try #require(reply.parameters?.step)
        }
      }
      #expect(steps.flatMap { $0 }.sorted() == Array(2...81))
    }
  }
}
