import Foundation
import GRDB
import Testing

@testable import NTMServer

/// What is SQLite's own.
struct SQLiteSessionStoreTests {
  private let folder = try! StoreFolder()
  private static let id = "AAAAAAAAAAAAAAAAAAAone"
  private static let record = SessionRecord(
    number: 1, id: id, modelName: "copy", modelDigest: "d", createdAt: .now, keepAlive: 100,
    lastActivity: .now)

  /// Writes a session with a state and some steps.
  private func fill() throws {
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    let reply = KeyedReply(
      key: "k", fingerprint: Fingerprint([[1]]), response: HTTPResponse(status: 200, body: [1]))
    try store.commit([
      StoredChange(
        session: 1, created: Self.record,
        base: StoredBase(
          step: 3, state: [1, 2, 3], arithmetic: "a",
          reply: RepeatableReply(firstStep: 3, fingerprint: Fingerprint([[2]]), body: [4]),
          recomputedFrom: nil),
        steps: StoredSteps(
          first: 4, inputs: [[1], [2]],
          request: RequestMark(firstStep: 4, isList: true, fields: .standard, form: .json)),
        lastActivity: .now, replies: [reply])
    ])
  }

  private func execute(_ sql: String) throws {
    let database = try DatabaseQueue(path: folder.file)
    try database.write { try $0.execute(sql: sql) }
    try database.close()
  }

  @Test func othersCannotReadIt() throws {
    try fill()
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.count >= 2)
    for name in names {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(name)")
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
    }
  }

  /// Another session of the same number.
  private func twin(isEnded: Bool = false) -> StoredChange {
    var record = Self.record
    record.sequence = "twin"
    return StoredChange(
      session: 1, created: record,
      base: StoredBase(step: 0, state: nil, arithmetic: "a", reply: nil, recomputedFrom: nil),
      lastActivity: .now, isEnded: isEnded)
  }

  @Test func aChangeThatViolatesAConstraintIsRejectedAlone() throws {
    try fill()
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    let activity = StoredChange(session: 1, lastActivity: .now)
    let error = #expect(throws: StoreError.self) { try store.commit([activity, twin()]) }
    #expect(error?.kind == .rejected)
    try store.commit([activity])
    #expect(try store.record(id: Self.record.id)?.step == 5)
  }

  @Test func aChangeThatIsTooLongIsRejectedAlone() throws {
    try fill()
    try execute("CREATE TRIGGER t BEFORE INSERT ON steps BEGIN SELECT zeroblob(2000000000); END")
    let store = try SQLiteSessionStore(path: folder.file)
    defer { store.close() }
    let steps = StoredSteps(first: 6, inputs: [[1]], request: nil)
    let error = #expect(throws: StoreError.self) {
      try store.commit([StoredChange(session: 1, steps: steps, lastActivity: .now)])
    }
    #expect(error?.kind == .rejected)
  }

  @Test func theEndOfASessionThatWasNeverWrittenLeavesOthersAlone() throws {
    try fill()
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    try store.commit([twin(isEnded: true)])
    #expect(try store.record(id: Self.record.id)?.step == 5)
    #expect(try store.content(of: 1)?.steps.count == 1)
  }

  @Test func aFileThatIsNoDatabaseIsRefusedAndLeftAlone() throws {
    let text = Data(String(repeating: "no database ", count: 1000).utf8)
    try text.write(to: URL(filePath: folder.file))
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: folder.file) }
    #expect(refusal?.kind == .foreign)
    #expect(refusal?.description.hasPrefix(folder.file) == true)
    #expect(FileManager.default.contents(atPath: folder.file) == text)
  }

  @Test func aDatabaseOfSomethingElseIsRefusedAndLeftAlone() throws {
    try execute("CREATE TABLE sessions (a)")
    let before = FileManager.default.contents(atPath: folder.file)
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: folder.file) }
    #expect(refusal?.kind == .foreign)
    #expect(FileManager.default.contents(atPath: folder.file) == before)
  }

  @Test func aNewerVersionsDatabaseIsRefused() throws {
    try fill()
    try execute("INSERT INTO grdb_migrations VALUES ('99')")
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: folder.file) }
    #expect(refusal?.kind == .foreign)
    #expect(refusal?.reason.contains("newer version") == true)
  }

  @Test func itIsOneStoreByWhateverName() throws {
    let other = "\(folder.path)/link.sqlite"
    try FileManager.default.createSymbolicLink(
      atPath: other, withDestinationPath: "sessions.sqlite")
    // Through the link, which has nothing at its other end yet.
    let first = try SQLiteSessionStore(path: other)
    try first.acquireLease()
    defer { first.close() }
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: folder.file) }
    #expect(refusal?.kind == .inUse)
  }

  @Test func aMissingFolderIsNamed() throws {
    let path = "\(folder.path)/no/sessions.sqlite"
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: path) }
    #expect(refusal?.description.hasPrefix(path) == true)
  }

  /// Changes of what is written, as a failing disk makes them, and where each is noticed.
  private static let damages: [(sql: String, where: String)] = [
    ("UPDATE sessions SET keep_alive = 1", "record"),
    ("UPDATE sessions SET model = 'other'", "record"),
    ("UPDATE sessions SET digest = 'e'", "record"),
    ("UPDATE sessions SET created_at = 'x'", "record"),
    ("DELETE FROM bases", "record"),
    ("UPDATE progress SET last_activity = 0", "record"),
    ("UPDATE progress SET step = 4", "record"),
    ("UPDATE progress SET session = 2", "record"),
    ("UPDATE progress SET checksum = 7", "record"),
    ("DELETE FROM progress", "record"),
    ("DELETE FROM steps", "content"),
    ("UPDATE bases SET state = x'010204'", "content"),
    ("UPDATE bases SET state = NULL", "content"),
    ("UPDATE bases SET step = 2", "content"),
    ("UPDATE bases SET reply_body = x'05'", "content"),
    ("UPDATE bases SET arithmetic = 'b'", "content"),
    ("UPDATE steps SET inputs = x'0000000000000000'", "content"),
    ("UPDATE steps SET inputs = x'00'", "content"),
    ("UPDATE steps SET count = 1", "content"),
    ("UPDATE steps SET first = 5", "content"),
    ("UPDATE steps SET request_step = 5", "content"),
    ("UPDATE steps SET request_form = 'text/csv'", "content"),
    ("UPDATE steps SET request_form = NULL", "content"),
    ("UPDATE steps SET checksum = 7", "content"),
  ]

  @Test(arguments: damages.indices)
  func aChangedRowIsNoticed(_ index: Int) throws {
    try fill()
    let damage = Self.damages[index]
    try execute(damage.sql)
    let store = try SQLiteSessionStore(path: folder.file)
    defer { store.close() }
    switch damage.where {
    case "record":
      #expect(try store.record(id: Self.id)?.damage != nil, "\(damage.sql)")
      #expect(try store.page(after: 0, limit: 9).map { $0.damage != nil } == [true])
    default:
      #expect(try store.record(id: Self.id)?.damage == nil)
      let error = #expect(throws: StoreError.self, "\(damage.sql)") { try store.content(of: 1) }
      #expect(error?.kind == .damaged)
    }
  }

  @Test func aSessionExpiresByItsOwnTime() throws {
    try fill()
    let store = try SQLiteSessionStore(path: folder.file)
    defer { store.close() }
    #expect(try store.expired(at: .now, since: .now, limit: 9).isEmpty)
    #expect(try store.expired(at: .now.advanced(by: 101), since: .now, limit: 9).count == 1)
  }

  @Test(arguments: ["expires_at = 0", "keep_alive = 1e-9", "keep_alive = -1e300"])
  func aDamagedSessionNeverExpires(_ change: String) throws {
    try fill()
    try execute("UPDATE sessions SET \(change)")
    try execute("UPDATE progress SET last_activity = 0")
    let store = try SQLiteSessionStore(path: folder.file)
    defer { store.close() }
    #expect(try store.expired(at: .now, since: .now, limit: 9).isEmpty)
    #expect(try store.record(id: Self.id)?.expiresAt(since: .now) == nil)
  }

  @Test(arguments: ["status = 500", "body = x'02'", "headers = 'a:b'", "part = 3", "number = 7"])
  func aDamagedReplyIsForgotten(_ change: String) throws {
    try fill()
    try execute("UPDATE replies SET \(change)")
    let store = try SQLiteSessionStore(path: folder.file)
    defer { store.close() }
    #expect(try store.replies(atMost: 99).isEmpty)
    #expect(store.damagedReplies == 1)
  }

  /// The largest number decides which replies are forgotten and which number is the next.
  @Test(arguments: [1 << 40, Int.max])
  func aReplyWithADamagedNumberDoesNotPushOthersOut(_ number: Int) throws {
    try fill()
    try execute(
      "INSERT INTO replies SELECT \(number), 'l', part, fingerprint, status, headers, "
        + "body, checksum, applied, age FROM replies")
    try execute("UPDATE sqlite_sequence SET seq = \(Int.max) WHERE name = 'replies'")
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    #expect(store.damagedReplies == 1)
    let reply = KeyedReply(
      key: "m", fingerprint: Fingerprint([[1]]), response: HTTPResponse(status: 200, body: [1]))
    try store.commit([StoredChange(session: 1, lastActivity: .now, replies: [reply])])
    #expect(try store.replies(atMost: 99).map(\.key) == ["k", "m"])
  }

  // MARK: Schema

  @Test(arguments: [
    (change: "ALTER TABLE sessions RENAME COLUMN keep_alive TO kept", name: "keep_alive"),
    (change: "ALTER TABLE steps RENAME TO stages", name: "table steps"),
    (change: "DROP INDEX sessions_by_expiry", name: "index sessions_by_expiry"),
    (change: "ALTER TABLE bases ADD COLUMN more", name: "more"),
    (change: "DROP TABLE progress; CREATE TABLE progress (session TEXT)", name: "session"),
    (change: "DELETE FROM grdb_migrations", name: "grdb_migrations"),
  ])
  func aChangedSchemaIsRefusedWithTheDifference(_ change: (change: String, name: String)) throws {
    try fill()
    try execute(change.change)
    for isReadOnly in [true, false] {
      let refusal = #expect(throws: StoreError.self) {
        try SQLiteSessionStore(path: folder.file, isReadOnly: isReadOnly)
      }
      #expect(refusal?.kind == .damaged)
      #expect(refusal?.description.contains(folder.file) == true)
      #expect(refusal?.reason.contains(change.name) == true, "\(refusal?.reason ?? "")")
    }
  }

  @Test func tablesOfOtherProgramsAreAccepted() throws {
    try fill()
    try execute("CREATE TABLE _backup_seq (id INTEGER PRIMARY KEY, seq INTEGER); ANALYZE")
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    store.close()
  }

  // MARK: Numbers

  @Test(arguments: [
    "DELETE FROM sqlite_sequence",
    "UPDATE sqlite_sequence SET seq = 0", "UPDATE sqlite_sequence SET seq = -1",
    "UPDATE sqlite_sequence SET seq = 'x'", "UPDATE sqlite_sequence SET seq = NULL",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807",
    "UPDATE steps SET session = 9223372036854775807",
    "INSERT INTO sessions SELECT 9223372036854775807, 'x', model, digest, 0, 1, NULL, 0, NULL, x'' "
      + "FROM sessions",
  ])
  func aNewSessionNeverMeetsRowsOfAnother(_ change: String) throws {
    try fill()
    try execute(change)
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    #expect(try store.summary().lastNumber == 1)
  }

  @Test(arguments: ["", ":memory:", "file:x?mode=memory"])
  func aPathThatIsNoFileIsRefused(_ path: String) {
    let refusal = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: path) }
    #expect(refusal?.reason.isEmpty == false)
    #expect(path.isEmpty || !FileManager.default.fileExists(atPath: path))
  }

  // MARK: One server

  @Test func aHardLinkIsTheSameStore() throws {
    let first = try SQLiteSessionStore(path: folder.file)
    try first.acquireLease()
    let other = "\(folder.path)/link.sqlite"
    try FileManager.default.linkItem(atPath: folder.file, toPath: other)
    let inUse = #expect(throws: StoreError.self) { try SQLiteSessionStore(path: other) }
    #expect(inUse?.kind == .inUse)
    #expect(inUse?.reason.contains("process \(getpid())") == true)
    first.close()
    // SQLite's log would be beside one of the names.
    let linked = #expect(throws: StoreError.self) {
      try SQLiteSessionStore(path: folder.file)
    }
    #expect(linked?.reason.contains("2 names") == true)
    try FileManager.default.removeItem(atPath: other)
    try SQLiteSessionStore(path: folder.file).acquireLease()
  }

  @Test(arguments: ["", "-wal"])
  func aDeletedFileFailsCommits(_ suffix: String) throws {
    try fill()
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    try store.checkPlace()
    let moved = "\(folder.path)/moved"
    try FileManager.default.moveItem(atPath: folder.file + suffix, toPath: moved)
    for attempt in [{ try store.checkPlace() }, { try store.probe() }, { try store.commit([]) }] {
      let error = #expect(throws: StoreError.self) { try attempt() }
      #expect(error?.kind == .replaced)
    }
    // Another file at the path is not the store either.
    try Data().write(to: URL(filePath: folder.file + suffix))
    #expect(throws: StoreError.self) { try store.probe() }
    try FileManager.default.removeItem(atPath: folder.file + suffix)
    try FileManager.default.moveItem(atPath: moved, toPath: folder.file + suffix)
    try store.probe()
  }

  @Test func aFailedCommitWritesNothing() throws {
    try fill()
    let store = try SQLiteSessionStore(path: folder.file)
    try store.acquireLease()
    defer { store.close() }
    let step = { (session: Int, first: Int) in
      StoredChange(
        session: session, steps: StoredSteps(first: first, inputs: [[1]], request: nil),
        lastActivity: .now)
    }
    // The second has a number that is taken.
    #expect(throws: StoreError.self) { try store.commit([step(1, 6), step(1, 4)]) }
    #expect(try store.record(id: Self.id)?.step == 5)
    try store.commit([step(1, 6)])
    #expect(try store.record(id: Self.id)?.step == 6)
  }
}
