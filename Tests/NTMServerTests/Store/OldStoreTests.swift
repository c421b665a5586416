import Foundation
import GRDB
import NTMModel
import Testing

@testable import NTMServer

/// A store that version 0.1.0 wrote: three sessions of model `copy`, of which two have 5 steps, one
/// from the start state and one from a stored state, and one is a sequence with one step.
struct OldStoreTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../NTMTestSupport/Fixtures").standardized
  private static let ids = ["CePJOD4CvKymr9p2NgWCwV", "AEy_kdBXJ9nv-s_ADFD6Ut"]

  private let folder = try! StoreFolder()

  private func copyStore() throws {
    try FileManager.default.copyItem(
      atPath: Self.fixtures.appending(path: "sessions_version1.sqlite").path, toPath: folder.file)
  }

  private func serve(_ body: (SocketClient) throws -> Void) async throws {
    let store = try SQLiteSessionStore(path: folder.file)
    try await withLiveService(.copy, .testing(), store) { port in
      try body(try SocketClient(port: port))
    }
  }

  @Test func sessionsContinueBitForBit() async throws {
    try copyStore()
    let state = [UInt8](
      try Data(contentsOf: Self.fixtures.appending(path: "sessions_version1.state")))
    let input = ServedModel.copy.inputs(1)[0]
    let direct = try DirectSession(.copy)
    for step in 1...5 { _ = try direct.step((0..<9).map { Float(step >> $0 & 1) }) }
    _ = try direct.step(input)
    for start in 0..<2 {
      try await serve { client throws in
        let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [[String: Any]]
        #expect(list?.count == 3)
        #expect(list?.allSatisfy { $0["damaged"] == nil } == true)
        for id in Self.ids {
          guard start == 0 else {
            let state = try StateFile(client.exchange("GET", "/sessions/\(id)/state").body)
            #expect(try state.state(of: ServedModel.copy.model).isIdentical(to: direct.state))
            continue
          }
          #expect(try client.exchange("GET", "/sessions/\(id)/state").body == state)
          let next = try client.post("/sessions/\(id)/step", "{\"step\":6,\"input\":\(input.json)}")
          #expect(next.status == 200)
        }
        // The reply to a request with a key is known.
        let again = try client.exchange(
          "POST", "/sessions", headers: [("Idempotency-Key", "k0")],
          body: Array("{\"model\": \"copy\", \"keep_alive\": \"never\"}".utf8))
        #expect(again.header("Idempotent-Replayed") == "true", "\(again.text)")
      }
    }
  }

  @Test func aStoreThatIsOnlyListedStaysAsItIs() throws {
    try copyStore()
    let archive = try SessionArchive(path: folder.file, access: .look)
    var steps: [Int] = []
    try archive.show { steps.append($0.step) }
    archive.close()
    #expect(steps == [5, 5, 1])
    let database = try DatabaseQueue(path: folder.file)
    let versions = try database.read {
      try String.fetchAll($0, sql: "SELECT identifier FROM grdb_migrations")
    }
    #expect(versions == ["1"])
  }

  /// A row gets a checksum over all columns when it is written again.
  @Test func aResetCoversTheWholeRow() async throws {
    try copyStore()
    try await serve { client throws in
      #expect(try client.post("/sessions/\(Self.ids[1])/reset").status == 200)
    }
    let database = try DatabaseQueue(path: folder.file)
    try await database.write { try $0.execute(sql: "UPDATE sessions SET expires_at = 1") }
    try database.close()
    try await serve { client throws in
      let reply = try client.exchange("GET", "/sessions/\(Self.ids[1])/state")
      try expectProblem(reply, 500, "damaged-session")
      #expect(try client.exchange("GET", "/sessions/\(Self.ids[0])/state").status == 200)
    }
  }
}
