import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// What a client sees of a version.
private struct Version: Decodable, Equatable {
  let version: String
  let sessions: Int
  let current: Bool
  let loadedAt: String
}

/// As much of a model as these tests look at.
private struct Model: Decodable, Equatable {
  let name: String
  let task: String?
  let digest: String
  let version: String
  let versions: [Version]
  let `default`: Bool

  /// Version, sessions, and whether it is current.
  var uses: [String] { versions.map { "\($0.version) \($0.sessions) \($0.current)" } }
}

private struct Unloaded: Decodable {
  let name: String
  let versions: [Version]
}

private struct SessionOfAModel: Decodable {
  let id: String
  let model: String
  let modelVersion: String
}

extension TestClient {
  fileprivate func model(_ name: String = "m") async throws -> Model {
    try await get("/models/\(name)").decoded()
  }

  fileprivate func load(_ name: String = "m") async throws -> Model {
    let response = try await post("/models/\(name)/load")
    try #require(response.status == 200, "\(response.text)")
    return try response.decoded()
  }

  fileprivate func unload(_ name: String = "m") async throws -> Unloaded {
    let response = try await post("/models/\(name)/unload")
    try #require(response.status == 200, "\(response.text)")
    return try response.decoded()
  }

  fileprivate func session(_ id: String) async throws -> SessionOfAModel {
    try await get("/sessions/\(id)").decoded()
  }
}

extension RouteTests {
  private static let first = ServedModel.mixedVersion(1)
  private static let second = ServedModel.mixedVersion(2)

  private func withAdmin(
    _ transport: Transport, _ pool: ModelPool, _ body: (any TestClient) async throws -> Void
  ) async throws {
    try await withService(transport, pool, .testing { $0.allowModelAdmin = true }, body)
  }

  // MARK: Leave

  @Test(arguments: Transport.allCases, ["load", "unload"])
  func modelsAreChangedOnlyWhereThatIsAllowed(
    _ transport: Transport, _ action: String
  ) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withService(transport, try folder.pool()) { client in
      try folder.put(Self.second, as: "m")
      for name in ["m", "none", "..%2Fm"] {
        let response = try await client.post("/models/\(name)/\(action)")
        try expectProblem(
          response, 403, "model-admin-off",
          detail:
            "models can be loaded and unloaded where the server was started with --allow-model-admin"
        )
      }
      #expect(try await client.model().version == Self.first.version)
    }
  }

  @Test(arguments: Transport.allCases, ["load", "unload"])
  func aChangeOfAModelTakesAnEmptyBody(_ transport: Transport, _ action: String) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      for body in [#"{"parameters":{}}"#, "[]", "x"] {
        try expectProblem(
          try await client.post("/models/m/\(action)", body), 400, "malformed-request")
      }
      #expect(try await client.get("/models/m").status == 200)
      let wrong = try await client.get("/models/m/\(action)")
      #expect(wrong.status == 405)
      #expect(wrong.header("Allow") == "POST")
      #expect(try await client.post("/models/m/\(action)", "{}").status == 200)
    }
  }

  // MARK: Loading

  @Test(arguments: Transport.allCases)
  func aNewFileIsLoaded(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      try folder.put(Self.second, as: "a new one")
      #expect(try await client.get("/models/a%20new%20one").status == 404)
      let response = try await client.post("/models/a%20new%20one/load")
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == "application/json")
      #expect(response.body == (try await client.get("/models/a%20new%20one").body))
      let loaded: Model = try response.decoded()
      #expect(loaded.name == "a new one")
      #expect(loaded.version == Self.second.version)
      #expect(loaded.digest == loaded.version)
      #expect(loaded.uses == ["\(Self.second.version) 0 true"])
      let list = try #require(
        try await client.get("/models").object()["models"] as? [[String: Any]])
      #expect(list.map { $0["name"] as? String } == ["a new one", "m"])
      let session = try await client.makeSession("a new one")
      #expect(try await client.session(session).modelVersion == Self.second.version)
    }
  }

  @Test(arguments: Transport.allCases)
  func sessionsKeepTheirModelAndNewOnesGetTheNewOne(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    let inputs = Self.first.inputs(6)
    try await withAdmin(transport, try folder.pool()) { client in
      let old = try await client.makeSession("m")
      let directOld = try DirectSession(Self.first)
      for input in inputs.prefix(3) {
        #expect(
          try await client.step(old, input, returning: .all)
            == directOld.step(input).with(.all, session: old))
      }
      let saved = try await client.get("/sessions/\(old)/state").body

      try folder.put(Self.second, as: "m")
      let replaced = try await client.load()
      #expect(replaced.version == Self.second.version)
      #expect(
        replaced.uses == ["\(Self.second.version) 0 true", "\(Self.first.version) 1 false"])

      let new = try await client.makeSession("m")
      let forked = try await client.post("/sessions/\(old)/fork").decoded(SessionOfAModel.self)
      #expect(try await client.session(old).modelVersion == Self.first.version)
      #expect(try await client.session(new).modelVersion == Self.second.version)
      #expect(forked.modelVersion == Self.first.version)
      #expect(forked.model == "m")
      #expect(
        try await client.model().uses
          == ["\(Self.second.version) 1 true", "\(Self.first.version) 2 false"])

      let directNew = try DirectSession(Self.second)
      for input in inputs.suffix(3) {
        #expect(
          try await client.step(new, input, returning: .all)
            == directNew.step(input).with(.all, session: new))
        let expected = try directOld.step(input)
        for id in [old, forked.id] {
          #expect(
            try await client.step(id, input, returning: .all)
              == expected.with(.all, session: id))
        }
      }

      // A state of the old version goes back into its sessions, and into no other.
      #expect(try await client.put("/sessions/\(old)/state", saved).status == 200)
      for response in [
        try await client.put("/sessions/\(new)/state", saved),
        try await client.send("POST", "/sessions", headers: [], body: saved),
      ] {
        try expectProblem(
          response, 409, "other-model",
          fields: [
            "expected": .text(Self.second.version), "got": .text(Self.first.version),
          ])
      }

      _ = try await client.delete("/sessions/\(old)")
      #expect(
        try await client.model().uses
          == ["\(Self.second.version) 1 true", "\(Self.first.version) 1 false"])
      _ = try await client.delete("/sessions/\(forked.id)")
      #expect(try await client.model().uses == ["\(Self.second.version) 1 true"])
    }
  }

  @Test(arguments: Transport.allCases)
  func theSameFileLoadedAgainChangesNothing(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      _ = try await client.makeSession("m")
      let before = try await client.model()
      #expect(before.uses == ["\(Self.first.version) 1 true"])
      #expect(before.versions[0].loadedAt.wholeMatch(of: /\d{4}-\d\d-\d\dT[\d:.]+Z/) != nil)
      #expect(try await client.load() == before)
      // The weights are the same, and the file says another task.
      try folder.put(.mixedVersion(1, task: "another"), as: "m")
      let after = try await client.load()
      #expect(after.task == "another")
      #expect(after.versions == before.versions)
    }
  }

  @Test(arguments: Transport.allCases)
  func aBadFileIsRefusedAndTheOldModelServed(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      let before = try await client.model()
      let reason = "the file has 3 bytes, too few for a header's length"
      for name in ["m", "other"] {
        try folder.write(Array("bad".utf8), as: name)
        let left =
          name == "m"
          ? "The one that was loaded before is still served, \(Self.first.version)"
          : "No model of this name is served"
        try expectProblem(
          try await client.post("/models/\(name)/load"), 422, "bad-model",
          detail: "model \"\(name)\" can't be loaded: \(reason). \(left)",
          fields: ["reason": .text(reason)])
      }
      #expect(try await client.model() == before)
      #expect(try await client.get("/models/other").status == 404)
    }
  }

  @Test(arguments: Transport.allCases)
  func aModelWithoutFileIsNotLoaded(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      try expectProblem(
        try await client.post("/models/none/load"), 404, "no-such-model",
        detail: "there is no file \"none.safetensors\" of a model. No model of this name is served")
      try folder.remove("m")
      try expectProblem(
        try await client.post("/models/m/load"), 404, "no-such-model",
        detail: "there is no file \"m.safetensors\" of a model. The one that was loaded before is "
          + "still served, \(Self.first.version)")
      #expect(try await client.model().version == Self.first.version)
    }
  }

  /// A name stays in the folder.
  @Test(arguments: ["load", "unload"])
  func aNameIsNoPath(_ action: String) async throws {
    let outside = try TemporaryModels(["m": Self.second])
    let folder = try TemporaryModels(["m": Self.first, ".hidden": Self.first])
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/below", withIntermediateDirectories: true)
    try folder.put(Self.second, as: "below/m")
    let other = (outside.path as NSString).lastPathComponent
    let names = [
      "..%2F\(other)%2Fm", "%2E%2E%2F\(other)%2Fm", "below%2Fm", ".%2Fm", ".hidden", "..", "%2E",
      "m%00", "%2Fm", "m.safetensors", "M", "\(outside.path.replacing("/", with: "%2F"))%2Fm",
    ]
    // Foundation's client would make paths of some of them.
    try await withLiveService(folder.pool(), .testing { $0.allowModelAdmin = true }) { port in
      let client = try SocketClient(port: port)
      for name in names {
        let response = try client.post("/models/\(name)/\(action)")
        try expectProblem(response, 404, "no-such-model")
      }
      let models = try client.exchange("GET", "/models").object()["models"] as? [[String: Any]]
      #expect(models?.map { $0["version"] as? String } == [Self.first.version])
    }
  }

  @Test(arguments: Transport.allCases)
  func aRepeatedKeyDoesNotLoadAgain(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first])
    try await withAdmin(transport, try folder.pool()) { client in
      let answer = try await client.post("/models/m/load", "", key: "one")
      try folder.put(Self.second, as: "m")
      let again = try await client.post("/models/m/load", "", key: "one")
      #expect(again.body == answer.body)
      #expect(again.header("Idempotent-Replayed") == "true")
      #expect(try await client.model().version == Self.first.version)
      #expect(try await client.post("/models/m/unload", "", key: "two").status == 200)
      let unloaded = try await client.post("/models/m/unload", "", key: "two")
      #expect(unloaded.status == 200)
      #expect(unloaded.header("Idempotent-Replayed") == "true")
    }
  }

  // MARK: Unloading

  @Test(arguments: Transport.allCases)
  func anUnloadedModelTakesNoNewSessions(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first, "other": Self.second])
    let input = Self.first.inputs(1)[0]
    try await withAdmin(transport, try folder.pool()) { client in
      let session = try await client.makeSession("m")
      let saved = try await client.get("/sessions/\(session)/state").body
      let left = try await client.unload()
      #expect(left.name == "m")
      #expect(left.versions.map(\.sessions) == [1])
      #expect(left.versions.map(\.current) == [false])
      try expectProblem(
        try await client.get("/models/m"), 404, "no-such-model",
        detail: "model \"m\" is unloaded; a session goes on with it",
        fields: ["models": .list(["other"]), "sessions": .number(1)])
      for response in [
        try await client.post("/sessions", #"{"model":"m"}"#),
        try await client.post("/models/m/unload"),
      ] {
        try expectProblem(
          response, 404, "no-such-model", detail: "there is no model \"m\"; there is other")
      }
      try expectProblem(
        try await client.send("POST", "/sessions", headers: [], body: saved), 409, "other-model")

      // Its session goes on.
      #expect(
        try await client.step(session, input, returning: .all)
          == DirectSession(Self.first).step(input).with(.all, session: session))
      let fork = try await client.post("/sessions/\(session)/fork").decoded(SessionOfAModel.self)
      #expect(fork.modelVersion == Self.first.version)

      // Loaded again it is the model that the sessions have.
      #expect(try await client.load().uses == ["\(Self.first.version) 2 true"])
      for id in [session, fork.id] { _ = try await client.delete("/sessions/\(id)") }
      #expect(try await client.unload().versions.isEmpty)
      try expectProblem(
        try await client.get("/models/m"), 404, "no-such-model",
        detail: "there is no model \"m\"; there is other")
    }
  }

  @Test(arguments: Transport.allCases)
  func anUnloadedDefaultIsNone(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first, "other": Self.second])
    try await withAdmin(transport, try folder.pool(default: "m")) { client in
      #expect(try await client.model().default)
      _ = try await client.unload()
      try expectProblem(
        try await client.post("/sessions"), 422, "no-default-model",
        detail: "the request names no model and the default, m, is not loaded; there is other",
        fields: ["models": .list(["other"])])
      #expect(try await client.model("other").default == false)
      #expect(try await client.load().default)
      #expect(try await client.post("/sessions").decoded(SessionOfAModel.self).model == "m")
      for name in ["m", "other"] { _ = try await client.unload(name) }
      try expectProblem(
        try await client.get("/models/m"), 404, "no-such-model",
        detail: "model \"m\" is unloaded; a session goes on with it")
      try expectProblem(
        try await client.get("/models/other"), 404, "no-such-model",
        detail: "there is no model \"other\"; there is none at all")
      #expect(try await client.get("/models").text == #"{"models":[]}"#)
    }
  }

  // MARK: Counting

  /// Made, forked, restored, refused, deleted and expired: a model's sessions are those that there
  /// are.
  @Test(arguments: Transport.allCases)
  func sessionsAreCountedExactly(_ transport: Transport) async throws {
    let folder = try TemporaryModels(["m": Self.first, "other": Self.first])
    let options = ServiceOptions.testing { $0.maxSessions = 4 }
    try await withService(transport, try folder.pool(), options) { client in
      func expectSessions(
        _ count: Int, _ sourceLocation: SourceLocation = #_sourceLocation
      ) async throws {
        #expect(
          try await client.model().uses == ["\(Self.first.version) \(count) true"],
          sourceLocation: sourceLocation)
        // The same weights, and another model.
        #expect(
          try await client.model("other").uses == ["\(Self.first.version) 0 true"],
          sourceLocation: sourceLocation)
      }
      try await expectSessions(0)
      let made = try await client.makeSession("m")
      try await expectSessions(1)
      let saved = try await client.get("/sessions/\(made)/state").body
      let fork = try await client.post("/sessions/\(made)/fork").decoded(SessionOfAModel.self)
      try await expectSessions(2)
      let restored = try await client.send("POST", "/sessions", headers: [], body: saved)
      #expect(restored.status == 201)
      try await expectSessions(3)
      let short = try await client.post("/sessions", #"{"model":"m","keep_alive":0.5}"#)
        .decoded(SessionOfAModel.self)
      try await expectSessions(4)
      pause(milliseconds: 600)
      #expect(try await client.get("/sessions/\(short.id)").status == 404)
      try await expectSessions(3)
      _ = try await client.makeSession("m")
      try expectProblem(
        try await client.post("/sessions", #"{"model":"m"}"#), 503, "limit-reached")
      try await expectSessions(4)
      for _ in 0..<2 { _ = try await client.delete("/sessions/\(fork.id)") }
      try await expectSessions(3)
    }
  }
}
