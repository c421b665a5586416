import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// A store whose file is deleted, moved or replaced while a server uses it.
struct ReplacedStoreTests {
  private let folder = try! StoreFolder()
  private let input = "{\"input\":\(ServedModel.copy.inputs(1)[0].json)}"

  private func serve(
    _ durability: Durability, _ body: (SocketClient) throws -> Void
  ) async throws {
    let store = try SQLiteSessionStore(path: folder.file)
    try await withLiveService(.copy, .testing { $0.durability = durability }, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  private func move(_ from: String, to other: String) throws {
    try FileManager.default.moveItem(atPath: from, toPath: other)
  }

  @Test(arguments: [Durability.always, .everysec, .none])
  func readinessAndMetricsReportIt(_ durability: Durability) async throws {
    let moved = "\(folder.path)/moved"
    try await serve(durability) { client throws in
      _ = try client.makeSession()
      #expect(try client.exchange("GET", "/readyz").status == 200)
      try move(folder.file, to: moved)
      let refused = try client.exchange("GET", "/readyz")
      try expectProblem(refused, 503, "store-unavailable")
      #expect(refused.text.contains("deleted or moved"), "\(refused.text)")
      #expect(try client.exchange("GET", "/v2/health/ready").status == 503)
      #expect(try client.exchange("GET", "/livez").status == 200)
      #expect(
        try client.exchange("GET", "/metrics").text.contains("\nntm_store_failing 1\n"))
      try move(moved, to: folder.file)
      #expect(try client.exchange("GET", "/readyz").status == 200)
    }
  }

  @Test func changesAreRefusedUntilTheFileIsBack() async throws {
    let moved = "\(folder.path)/moved"
    var id = ""
    try await serve(.always) { client throws in
      id = try client.makeSession()
      #expect(try client.post("/sessions/\(id)/step", input).status == 200)
      try move(folder.file, to: moved)
      #expect(FileManager.default.createFile(atPath: folder.file, contents: Data()))
      let refused = try client.post("/sessions/\(id)/step", input)
      try expectProblem(refused, 503, "store-unavailable")
      #expect(refused.text.contains("replaced"), "\(refused.text)")
      #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 1)
      try FileManager.default.removeItem(atPath: folder.file)
      try move(moved, to: folder.file)
      var status = 503
      for _ in 0..<200 where status == 503 {
        status = try client.post("/sessions/\(id)/step", input).status
        if status == 503 { pause(milliseconds: 50) }
      }
      #expect(status == 200)
    }
    try await serve(.always) { client throws in
      #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 2)
    }
  }
}
