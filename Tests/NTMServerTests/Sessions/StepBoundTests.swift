import NTMModel
import Testing

@testable import NTMServer

/// Sessions take at most `StateFile.mostSteps` steps, because later ones could not be read again.
struct StepBoundTests {
  private let inputs = ServedModel.copy.inputs(3)

  /// A session that can take `left` more steps.
  private func makeSession(_ client: some TestClient, left: Int) async throws -> String {
    let model = ServedModel.copy
    let state = StateFile.bytes(
      of: try model.model.makeState(), step: StateFile.mostSteps - left, modelName: model.name,
      modelDigest: model.digest)
    let created = try await client.send("POST", "/sessions", headers: [], body: state)
    return try #require(try created.object()["id"] as? String)
  }

  private func steps(_ client: some TestClient, _ id: String) async throws -> Int? {
    try await client.get("/sessions/\(id)").object()["step"] as? Int
  }

  @Test func stepsBeyondTheBoundAreRefusedAndChangeNothing() async throws {
    try await withService(.router) { client in
      let id = try await makeSession(client, left: 1)
      let list = "{\"inputs\":[\(inputs[0].json),\(inputs[1].json)]}"
      let before = try await client.get("/sessions/\(id)/state").body
      try expectProblem(
        try await client.post("/sessions/\(id)/step", list), 422, "too-much",
        fields: ["expected": .number(1), "got": .number(2)])
      #expect(try await client.get("/sessions/\(id)/state").body == before)
      let one = "{\"input\":\(inputs[0].json)}"
      #expect(try await client.post("/sessions/\(id)/step", one).status == 200)
      #expect(try await steps(client, id) == StateFile.mostSteps)
      let last = try await client.get("/sessions/\(id)/state").body
      try expectProblem(try await client.post("/sessions/\(id)/step", one), 422, "too-much")
      let many = try await client.post(
        "/step", "{\"steps\":[{\"session\":\"\(id)\",\"input\":\(inputs[0].json)}]}")
      #expect(many.text.contains("too-much"), "\(many.text)")
      let stream = try await client.send(
        "POST", "/sessions/\(id)/step", headers: [("Content-Type", "application/x-ndjson")],
        body: Array(inputs[0].json.utf8))
      #expect(stream.text.contains("too-much"), "\(stream.text)")
      // The session's state can be read and restored.
      #expect(try await client.get("/sessions/\(id)/state").body == last)
      #expect(try await client.put("/sessions/\(id)/state", last).status == 200)
      #expect(try await client.post("/sessions/\(id)/fork").status == 201)
      #expect(try await client.post("/sessions/\(id)/reset").status == 200)
      #expect(try await client.post("/sessions/\(id)/step", one).status == 200)
    }
  }
}
