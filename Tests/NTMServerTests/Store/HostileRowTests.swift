import Foundation
import GRDB
import NTMModel
import Testing

@testable import NTMServer

/// Rows with values that no server writes: a server answers correctly, refuses the session, or
/// doesn't start.
struct HostileRowTests {
  private static let values = [
    "NULL", "'x'", "''", "x'FFFE00'", "x''", "zeroblob(1000000)", "-1", "0", "1",
    "9007199254740992", "2305843009213693952", "9223372036854775807", "-9223372036854775808",
    "1e300", "-1e300", "9e999", "-9e999", "0.5", "CAST('text' AS BLOB)",
  ]

  /// Stored sessions, and the correct answers for them.
  private struct Original {
    let folder = try! StoreFolder()
    var ids: [String] = []
    var states: [[UInt8]] = []
    /// The reply to each session's second step.
    var next: [[UInt8]] = []
  }

  private let inputs = ServedModel.copy.inputs(20)

  private func client(
    _ file: String, _ body: (InProcessClient) async throws -> Void
  ) async throws {
    let store = try SQLiteSessionStore(path: file)
    defer { store.close() }
    try store.acquireLease()
    let options = ServiceOptions.testing()
    let journal = Journal(store, .always, .silent)
    let keys = IdempotencyStore(try store.replies(atMost: 1 << 20))
    let pool = ModelPool.copy
    let table = SessionTable(
      limits: SessionTable.Limits(options), journal: journal, summary: try store.summary(),
      modelOf: { pool.model(of: $0) })
    let application = Application(
      pool: pool, sessions: table, options: options, logger: .silent, keys: keys)
    try journal.start()
    table.expire()
    do { try await body(InProcessClient(application: application)) } catch {
      journal.stop(Journal.Final(sessions: table.all, replies: []), patience: .max / 2)
      throw error
    }
    journal.stop(Journal.Final(sessions: table.all, replies: []), patience: .max / 2)
  }

  private func makeOriginal() async throws -> Original {
    var original = Original()
    try await client(original.folder.file) { client in
      for number in 0..<3 {
        let created = try await client.post(
          "/sessions", #"{"keep_alive":86400}"#, key: "k\(number)")
        let id = try #require(try created.object()["id"] as? String)
        original.ids.append(id)
        for number in 1...2 { _ = try await client.post("/sessions/\(id)/step", step(number)) }
        let state = try await client.get("/sessions/\(id)/state").body
        #expect(try await client.put("/sessions/\(id)/state", state).status == 200)
        _ = try await client.post("/sessions/\(id)/step", step(3))
        original.states.append(try await client.get("/sessions/\(id)/state").body)
      }
      let sequence = """
        {"parameters":{"sequence_id":"s","sequence_start":true},"inputs":[{"name":"input",\
        "shape":[9],"datatype":"FP32","data":\(inputs[0].json)}]}
        """
      #expect(try await client.post("/v2/models/copy/infer", sequence).status == 200)
    }
    let copy = try copy(original)
    try await client(copy.file) { client in
      for id in original.ids {
        original.next.append(try await client.post("/sessions/\(id)/step", step(4)).body)
      }
    }
    return original
  }

  private func step(_ number: Int) -> String {
    #"{"step":\#(number),"input":\#(inputs[number].json)}"#
  }

  private func copy(_ original: Original) throws -> StoreFolder {
    let folder = try StoreFolder()
    try FileManager.default.copyItem(atPath: original.folder.file, toPath: folder.file)
    return folder
  }

  /// - Returns: what became of the sessions, `refused` for a start that fails with a clear error
  private func judge(_ file: String, _ original: Original, _ what: String) async throws -> String {
    var outcomes: [String] = []
    do {
      try await client(file) { client in
        #expect(try await client.get("/sessions").status == 200, "\(what)")
        for (index, id) in original.ids.enumerated() {
          let state = try await client.get("/sessions/\(id)/state")
          let next = try await client.post("/sessions/\(id)/step", step(4))
          switch (state.status, next.status) {
          case (200, 200):
            #expect(state.body == original.states[index], "\(what): another state")
            #expect(next.body == original.next[index], "\(what): another reply")
            outcomes.append("right")
          case (500, 500):
            try expectProblem(state, 500, "damaged-session")
            outcomes.append("damaged")
          case (404, 404):
            // Its id is changed, or its row is gone. It never expired.
            #expect(!state.text.contains("expired"), "\(what): \(state.text)")
            outcomes.append("unknown")
          default:
            Issue.record("\(what): \(state.status) \(next.status) \(next.text)")
          }
        }
        #expect(try await client.post("/sessions/\(original.ids[2])/reset").status == 200)
        #expect(try await client.post("/sessions").status == 201, "\(what)")
        #expect(try await client.get("/metrics").status == 200)
        // A session that is listed as damaged can be deleted.
        let list = try await client.get("/sessions")
        #expect(
          list.text.contains("\"damaged\":") || !outcomes.contains("damaged"),
          "\(what): \(list.text)")
        let sessions = try list.object()["sessions"] as? [[String: Any]] ?? []
        for session in sessions where session["damaged"] != nil {
          let id = try #require(session["id"] as? String)
          #expect(try await client.delete("/sessions/\(id)").status == 204, "\(what)")
        }
      }
    } catch let error as StoreError {
      #expect(error.description.contains(file), "\(what): \(error)")
      return "refused"
    }
    return outcomes.joined(separator: " ")
  }

  private struct Column {
    let table: String
    let name: String

    var row: String {
      switch table {
      case "sessions": "number = 1"
      case "replies": "number = 2"
      case "sqlite_sequence": "true"
      default: "session = 1"
      }
    }
  }

  private func columns(_ table: String, _ original: Original) throws -> [Column] {
    let database = try DatabaseQueue(path: original.folder.file)
    return try database.read { db in
      try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table])
        .map { Column(table: table, name: $0) }
    }
  }

  /// - Returns: whether SQLite accepts the change
  private func execute(_ sql: String, _ file: String) throws -> Bool {
    let database = try DatabaseQueue(path: file)
    defer { try? database.close() }
    do { try database.write { try $0.execute(sql: sql) } } catch { return false }
    return true
  }

  /// Every value in every column of a row.
  @Test(arguments: ["sessions", "progress", "bases", "steps", "replies", "sqlite_sequence"])
  func hostileValuesInRowsNeverDoHarm(_ table: String) async throws {
    let original = try await makeOriginal()
    let columns = try columns(table, original)
    #expect(columns.count > 1)
    var changes = 0
    for column in columns {
      for value in Self.values {
        let change = "UPDATE \(table) SET \(column.name) = \(value) WHERE \(column.row)"
        let folder = try copy(original)
        guard try execute(change, folder.file) else { continue }
        changes += 1
        let outcome = try await judge(folder.file, original, change)
        // The other sessions are never affected.
        #expect(outcome.hasSuffix("right right"), "\(change): \(outcome)")
        #expect(!outcome.hasPrefix("unknown") || column.name == "id", "\(change): \(outcome)")
      }
    }
    #expect(changes > 10)
  }

  /// Values that no server writes, in rows whose checksums are right.
  @Test(arguments: [
    1e300, -1e300, .infinity, -.infinity, .leastNonzeroMagnitude, -5, 0, 1e15,
    .greatestFiniteMagnitude,
  ])
  func hostileTimesInWholeRowsNeverTrap(_ keepAlive: Double) throws {
    let folder = try StoreFolder()
    let times = [Int64.max, .min, 0, 1 << 60, -1].map { Timestamp(milliseconds: $0) }
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    for (index, time) in times.enumerated() {
      let record = SessionRecord(
        number: index + 1, id: SessionID.make(), modelName: "copy", modelDigest: "d",
        createdAt: time, keepAlive: keepAlive, lastActivity: time)
      try store.commit([
        StoredChange(
          session: index + 1, created: record,
          base: StoredBase(
            step: 0, state: nil, arithmetic: "a", reply: nil, recomputedFrom: nil),
          lastActivity: time)
      ])
      try store.commit([StoredChange(session: index + 1, lastActivity: time.advanced(by: 1e300))])
    }
    for record in try store.page(after: .min, limit: 9) {
      #expect(!SessionArchive.Entry.json(of: record).isEmpty)
      #expect((record.damage != nil) == !(keepAlive > 0 && keepAlive.isFinite))
      if record.damage != nil { #expect(record.expiresAt(since: .now) == nil) }
    }
    for now in times { _ = try store.expired(at: now, since: now, limit: 9) }
  }

  @Test(arguments: [-1, 1 << 54, Int.max, Int.min])
  func hostileStepsInWholeRowsAreDamage(_ step: Int) throws {
    let folder = try StoreFolder()
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    for number in 1...3 {
      let record = SessionRecord(
        number: number, id: SessionID.make(), modelName: "copy", modelDigest: "d",
        createdAt: .now, keepAlive: nil, lastActivity: .now)
      var change = StoredChange(
        session: number, created: record,
        base: StoredBase(
          step: number == 1 ? step : 0, state: nil, arithmetic: "a",
          reply: number == 2
            ? RepeatableReply(firstStep: step, fingerprint: Fingerprint([[1]]), body: []) : nil,
          recomputedFrom: nil),
        lastActivity: .now)
      if number == 3 { change.steps = StoredSteps(first: step, inputs: [[1]], request: nil) }
      try store.commit([change])
      let error = #expect(throws: StoreError.self) { try store.content(of: number) }
      #expect(error?.kind == .damaged)
    }
    #expect(try store.page(after: .min, limit: 9).count == 3)
  }

  @Test func timesSaturate() {
    let now = Timestamp.now
    for seconds in [1e300, .infinity, .nan, 1e17] {
      #expect(now.advanced(by: seconds) == Timestamp(milliseconds: .max))
    }
    #expect(now.advanced(by: -1e300) == Timestamp(milliseconds: .min))
    #expect(Timestamp(milliseconds: .max).advanced(by: 1).milliseconds == .max)
    #expect(Timestamp(milliseconds: .max).text.hasPrefix("9999-12-31T23:59:59"))
    #expect(Timestamp(milliseconds: .min).text.hasPrefix("0001-01-"))
    #expect(Timestamp(milliseconds: 0).advanced(by: 1.5).milliseconds == 1500)
  }

  /// Single bits of the file.
  @Test func hostileBitsOfTheFileNeverDoHarm() async throws {
    let original = try await makeOriginal()
    let bytes = [UInt8](try #require(FileManager.default.contents(atPath: original.folder.file)))
    var random: UInt64 = 1
    for _ in 0..<100 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let bit = Int(random >> 33) % (bytes.count * 8)
      let folder = try StoreFolder()
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      try Data(changed).write(to: URL(filePath: folder.file))
      _ = try await judgeLoosely(folder.file, original, "bit \(bit)")
    }
  }

  /// As `judge`, for damage of pages, which may affect anything.
  private func judgeLoosely(
    _ file: String, _ original: Original, _ what: String
  ) async throws {
    do {
      try await client(file) { client in
        for (index, id) in original.ids.enumerated() {
          let state = try await client.get("/sessions/\(id)/state")
          let next = try await client.post("/sessions/\(id)/step", step(4))
          if state.status == 200 {
            #expect(state.body == original.states[index], "\(what): another state")
          }
          if next.status == 200 {
            #expect(next.body == original.next[index], "\(what): another reply")
          }
          #expect([200, 404, 500, 503].contains(state.status), "\(what): \(state.text)")
          #expect(!state.text.contains("expired"), "\(what): \(state.text)")
        }
        _ = try await client.get("/sessions")
        _ = try await client.post("/sessions/\(original.ids[0])/reset")
        _ = try await client.delete("/sessions/\(original.ids[1])")
      }
    } catch let error as StoreError {
      #expect(error.description.contains(file), "\(what): \(error)")
    }
  }
}
