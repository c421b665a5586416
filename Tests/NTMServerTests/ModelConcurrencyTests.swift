import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// Models come and go while sessions are made, stepped and ended. The name is what
/// `make test-thread-sanitizer` looks for.
@Suite(.serialized) struct ModelConcurrencyTests {
  private static let versions = [ServedModel.mixedVersion(1), .mixedVersion(2)]

  /// A session's version, and the results of its steps.
  private func run(_ client: SocketClient, _ seed: UInt64) throws {
    let made = try client.post("/sessions", #"{"model":"m"}"#)
    // Somebody may have unloaded it.
    guard made.status != 404 else { return }
    try #require(made.status == 201, "\(made.text)")
    let id = try #require(made.object()["id"] as? String)
    let version = try made.object()["model_version"] as? String
    let model = try #require(Self.versions.first { $0.version == version })
    let direct = try DirectSession(model)
    for input in model.inputs(5, seed: seed) {
      let expected = try direct.step(input).with(.all, session: id)
      try #require(client.step(id, input) == expected)
    }
    try #require(client.exchange("DELETE", "/sessions/\(id)").status == 204)
  }

  @Test func sessionsAndLoadsDoNotDisturbEachOther() async throws {
    let folder = try TemporaryModels(["m": Self.versions[0]])
    let pool = try folder.pool()
    try await withLiveService(pool, .testing { $0.allowModelAdmin = true }) { port in
      _ = try onThreads(12) { index in
        let client = try SocketClient(port: port)
        for round in 0..<25 {
          switch index {
          case 0, 1:
            try folder.put(Self.versions[(index + round) % 2], as: "m")
            let response = try client.post("/models/m/load")
            // 404 where it is unloaded meanwhile.
            try #require([200, 404].contains(response.status), "\(response.text)")
          case 2:
            // As `cp` does: whoever reads it meanwhile gets anything.
            let bytes = try ModelFile(
              model: Self.versions[0].model, description: ModelFile.Description()
            ).safeTensors().bytes()
            try folder.write(bytes.prefix(bytes.count * (round % 4) / 3), as: "copied")
            let status = try client.post("/models/copied/load").status
            try #require([200, 422].contains(status))
          case 3:
            _ = try pool.reload(unless: { false }, report: { _, _ in })
            try #require([200, 404].contains(client.post("/models/m/unload").status))
            try #require([200, 404].contains(client.post("/models/m/load").status))
          case 4:
            let models = try client.exchange("GET", "/models")
            try #require(models.status == 200)
            try #require([200, 404].contains(client.exchange("GET", "/models/m").status))
          default: try run(client, UInt64(index * 100 + round))
          }
        }
      }
      let client = try SocketClient(port: port)
      for version in Self.versions {
        try folder.put(version, as: "m")
        let model = try client.post("/models/m/load").object()
        #expect(model["version"] as? String == version.version)
        // All sessions have ended, so that nothing is left but what is current.
        let left = try #require(model["versions"] as? [[String: Any]])
        #expect(left.map { $0["version"] as? String } == [version.version])
        #expect(left.map { $0["sessions"] as? Int } == [0])
      }
    }
  }
}
