import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// Forks, and states that are taken away and brought back.
extension RouteTests {
  private static let inputs = ServedModel.copy.inputs(8)

  private func steps(
    _ client: any TestClient, _ session: String, _ inputs: some Sequence<[Float]>
  ) async throws {
    for input in inputs { _ = try await client.step(session, input) }
  }

  @Test(arguments: Transport.allCases)
  func aForkGoesItsOwnWay(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      try await steps(client, session, Self.inputs.prefix(5))
      let response = try await client.post("/sessions/\(session)/fork")
      #expect(response.status == 201)
      let fork = try #require(try response.object()["id"] as? String)
      #expect(fork != session)
      #expect(response.header("Location") == "/sessions/\(fork)")
      #expect(try response.object()["step"] as? Int == 5)
      #expect(try await client.memoryText(fork) == client.memoryText(session))

      let direct = try DirectSession(.copy)
      for input in Self.inputs.prefix(5) { _ = try direct.step(input) }
      let before = try await client.memoryText(fork)
      let next = try await client.step(session, Self.inputs[5], returning: .all)
      #expect(next == (try direct.step(Self.inputs[5])).with(.all, session: session))
      // What happens to one does not show in the other.
      #expect(try await client.memoryText(fork) == before)
      let other = try await client.step(fork, Self.inputs[5], returning: .all)
      #expect(other.with(.all, session: nil) == next.with(.all, session: nil))
      _ = try await client.delete("/sessions/\(session)")
      #expect(try await client.step(fork, Self.inputs[6]).step == 7)
    }
  }

  @Test(arguments: Transport.allCases)
  func aForkTakesNoOtherFieldsAndCountsAgainstTheLimits(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxSessions = 1 }
    try await withService(transport, .copy, options) { client in
      let session = try await client.makeSession()
      try expectProblem(
        try await client.post("/sessions/\(session)/fork", #"{"model": "copy"}"#), 400,
        "malformed-request")
      try expectProblem(
        try await client.post("/sessions/\(session)/fork"), 503, "limit-reached")
      try expectProblem(try await client.post("/sessions/none/fork"), 404, "no-such-session")
    }
  }

  @Test(arguments: Transport.allCases)
  func aStateCanBeTakenAwayAndBroughtBack(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for model in [ServedModel.copy, .mixed, .contentOnly] {
        let inputs = model.inputs(6)
        let session = try await client.makeSession(model.name)
        try await steps(client, session, inputs.prefix(4))
        let saved = try await client.get("/sessions/\(session)/state")
        #expect(saved.status == 200)
        #expect(saved.header("Content-Type") == "application/vnd.safetensors")
        let expected = try await client.step(session, inputs[4], returning: .all)

        // Into the session itself, and as a session of its own.
        let put = try await client.put("/sessions/\(session)/state", saved.body)
        #expect(put.status == 200, "\(put.text)")
        #expect(try put.object()["step"] as? Int == 4)
        let made = try await client.send("POST", "/sessions", headers: [], body: saved.body)
        #expect(made.status == 201, "\(made.text)")
        #expect(try made.object()["model"] as? String == model.name)
        let new = try #require(try made.object()["id"] as? String)
        for id in [session, new] {
          let again = try await client.get("/sessions/\(id)/state")
          #expect(again.body == saved.body)
          let next = try await client.step(id, inputs[4], returning: .all)
          #expect(next.with(.all, session: nil) == expected.with(.all, session: nil))
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func aStateSaysWhatItIs(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      try await steps(client, session, Self.inputs.prefix(3))
      let file = try SafeTensorsFile(
        bytes: try await client.get("/sessions/\(session)/state").body)
      let metadata = file.header.metadata
      #expect(metadata["format"] == "ntm-state")
      #expect(metadata["model"] == "copy")
      #expect(metadata["model_digest"] == ServedModel.copy.digest)
      #expect(metadata["step"] == "3")
      #expect(metadata["checksum"]?.count == 64)
      #expect(
        file.header.tensors.map(\.name).sorted()
          == ["cell", "hidden", "memory", "reads", "weightings"])
      let memory = try file.values("memory")
      let object = try await client.get("/sessions/\(session)/memory").object()
      let rows = try #require(object["memory"] as? [[Double]])
      #expect(memory == rows.joined().map { Float($0) })
    }
  }

  @Test(arguments: Transport.allCases)
  func aStateOfAnotherModelIsRefusedByBothDigests(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let copy = try await client.makeSession("copy")
      let mixed = try await client.makeSession("mixed")
      let state = try await client.get("/sessions/\(copy)/state").body
      let before = try await client.memoryText(mixed)
      try expectProblem(
        try await client.put("/sessions/\(mixed)/state", state), 409, "other-model",
        fields: [
          "got": .text("sha256:\(ServedModel.copy.digest)"),
          "expected": .text("sha256:\(ServedModel.mixed.digest)"),
        ])
      #expect(try await client.memoryText(mixed) == before)
    }
    try await withService(transport, try ModelPool([.mixed])) { client in
      let model = ServedModel.copy
      let state = StateFile.bytes(
        of: try model.model.makeState(), step: 0, modelName: "copy", modelDigest: model.digest)
      try expectProblem(
        try await client.send("POST", "/sessions", headers: [], body: state), 409, "other-model")
      #expect(try await client.list("/sessions").ids.isEmpty)
    }
  }

  /// Every byte of a state counts: one that is changed is noticed, wherever it is.
  @Test func aDamagedStateIsRefusedAndChangesNothing() async throws {
    try await withService(.router) { client in
      let session = try await client.makeSession()
      try await steps(client, session, Self.inputs.prefix(2))
      let state = try await client.get("/sessions/\(session)/state").body
      try await steps(client, session, Self.inputs.prefix(1))
      let before = try await client.memoryText(session)
      var damaged = [
        [], Array("{}".utf8), Array(state.dropLast()), state + [0], Array(state.prefix(100)),
      ]
      var generator = SplitMix(seed: 3)
      for index in [0, 8, state.count - 1]
        + (0..<60).map({ _ in
          Int.random(in: 0..<state.count, using: &generator)
        })
      {
        var copy = state
        copy[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        damaged.append(copy)
      }
      for body in damaged {
        let response = try await client.put("/sessions/\(session)/state", body)
        // A bit of the digest makes it another model's.
        #expect([409, 422].contains(response.status), "\(response.text)")
        #expect(try await client.memoryText(session) == before)
      }
      try expectProblem(
        try await client.send(
          "PUT", "/sessions/\(session)/state", headers: [("Content-Type", "application/json")],
          body: Array("{}".utf8)), 415, "unsupported-type")
    }
  }

  @Test(arguments: Transport.allCases, [Int.max, StateFile.mostSteps + 1])
  func aStateOfMoreStepsThanCanBeCountedIsRefused(
    _ transport: Transport, _ step: Int
  ) async throws {
    try await withService(transport) { client in
      let model = ServedModel.copy
      func state(_ step: Int) throws -> [UInt8] {
        StateFile.bytes(
          of: try model.model.makeState(), step: step, modelName: "copy",
          modelDigest: model.digest)
      }
      try expectProblem(
        try await client.send("POST", "/sessions", headers: [], body: state(step)), 422,
        "damaged-state")
      // A session can go on up to the largest number that a state may have.
      let response = try await client.send(
        "POST", "/sessions", headers: [], body: state(StateFile.mostSteps - 1))
      let session = try #require(try response.object()["id"] as? String)
      let result = try await client.step(session, model.inputs(1)[0])
      #expect(result.step == StateFile.mostSteps)
      #expect(
        try await client.send("POST", "/sessions", headers: [], body: state(StateFile.mostSteps))
          .status == 201)
    }
  }
}
