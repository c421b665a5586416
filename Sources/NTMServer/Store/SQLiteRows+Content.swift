internal import Foundation
internal import GRDB

extension StoredBase {
  private static let layout = RowLayout(
    "bases", checksum: "base",
    [
      .integer("session"), .integer("step"), .text("arithmetic"),
      .integer("recomputed_from", isOptional: true), .integer("reply_step", isOptional: true),
      .blob("reply_fingerprint", isOptional: true), .blob("reply_body", isOptional: true),
      .blob("state", isOptional: true),
    ])

  /// - Returns: nil if there is no such session
  /// - Throws: `StoreError` `.damaged`.
  static func read(from db: Database, session: Int) throws -> StoredBase? {
    let statement = try db.cachedStatement(
      sql: "SELECT \(layout.selection("b")) FROM bases b WHERE b.session = ?")
    return try Row.fetchOne(statement, arguments: [session]).map {
      try StoredBase($0, session: session)
    }
  }

  private init(_ row: Row, session: Int) throws {
    guard let stored = StoredRow(row, Self.layout), try stored.value("session") == session else {
      throw StoreError(.damaged, "its stored state is not what was written")
    }
    let replyStep = try stored.optionalNumber("reply_step", from: 1)
    let reply = try replyStep.map { step in
      RepeatableReply(
        firstStep: step,
        fingerprint: Fingerprint(bytes: try stored.bytes("reply_fingerprint") ?? []),
        body: try stored.bytes("reply_body"))
    }
    self.init(
      step: try stored.number("step"), state: try stored.bytes("state"),
      arithmetic: try stored.value("arithmetic"), reply: reply,
      recomputedFrom: try stored.optionalNumber("recomputed_from"))
  }

  func write(to db: Database, session: Int) throws {
    try Self.layout.insert(
      [
        session.databaseValue, step.databaseValue, arithmetic.databaseValue,
        recomputedFrom?.databaseValue ?? .null, reply?.firstStep.databaseValue ?? .null,
        (reply?.fingerprint.bytes).map { Data($0).databaseValue } ?? .null,
        (reply?.body).map { Data($0).databaseValue } ?? .null,
        state.map { Data($0).databaseValue } ?? .null,
      ], to: db)
  }
}

extension StoredSteps {
  private static let layout = RowLayout(
    "steps", checksum: "steps",
    [
      .integer("session"), .integer("first"), .integer("count"),
      .integer("request_step", isOptional: true), .integer("request_is_list", isOptional: true),
      .integer("request_fields", isOptional: true), .text("request_form", isOptional: true),
      .blob("inputs"),
    ], replaces: false)

  /// The steps of a session, in order.
  ///
  /// - Throws: `StoreError` `.damaged`.
  static func read(from db: Database, session: Int) throws -> [StoredSteps] {
    let statement = try db.cachedStatement(
      sql: """
        SELECT \(layout.selection("t")) FROM steps t WHERE t.session = ? ORDER BY t.first
        """)
    return try Row.fetchAll(statement, arguments: [session]).map {
      try StoredSteps($0, session: session)
    }
  }

  private init(_ row: Row, session: Int) throws {
    guard let stored = StoredRow(row, Self.layout), try stored.value("session") == session else {
      throw StoreError(.damaged, "its stored steps are not what was written")
    }
    let form: String? = try stored.optional("request_form")
    var request: RequestMark?
    if let firstStep = try stored.optionalNumber("request_step", from: 1),
      let isList: Int = try stored.optional("request_is_list"),
      let fields: Int = try stored.optional("request_fields"),
      let form = form.flatMap(MediaType.init)
    {
      request = RequestMark(
        firstStep: firstStep, isList: isList == 1, fields: StepFields(rawValue: fields), form: form)
    }
    self.init(
      first: try stored.number("first", from: 1),
      inputs: try Self.inputs(
        stored.bytes("inputs") ?? [], count: stored.number("count", from: 1)),
      request: request)
  }

  private static func inputs(_ bytes: [UInt8], count: Int) throws -> [[Float]] {
    let values = bytes.count / MemoryLayout<Float>.size
    guard values >= count, bytes.count % MemoryLayout<Float>.size == 0, values % count == 0 else {
      throw StoreError(.damaged, "\(bytes.count) bytes are not the inputs of \(count) steps")
    }
    let size = bytes.count / count
    return bytes.withUnsafeBytes { bytes in
      (0..<count).map { step in
        stride(from: step * size, to: (step + 1) * size, by: 4).map { offset in
          Float(
            bitPattern: UInt32(
              littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
      }
    }
  }

  private var inputBytes: Data {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * inputs.reduce(0) { $0 + $1.count })
    for input in inputs {
      for value in input {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    return Data(bytes)
  }

  func write(to db: Database, session: Int) throws {
    try Self.layout.insert(
      [
        session.databaseValue, first.databaseValue, inputs.count.databaseValue,
        request?.firstStep.databaseValue ?? .null, request?.isList.databaseValue ?? .null,
        request?.fields.rawValue.databaseValue ?? .null,
        request?.form.rawValue.databaseValue ?? .null, inputBytes.databaseValue,
      ], to: db)
  }
}

extension KeyedReply {
  private static let whole = -1

  private static let layout = RowLayout(
    "replies", checksum: "reply",
    [
      .text("key"), .integer("part", absent: -1), .blob("fingerprint"), .integer("status"),
      .text("headers"), .blob("body"),
    ],
    later: [
      .integer("number"), .text("applied", isOptional: true), .integer("age", isOptional: true),
    ])

  static let columns = layout.selection("r")

  /// - Parameter row: has the values of `columns`
  /// - Returns: nil if the row is damaged; its key then counts as unused
  init?(_ row: Row) {
    guard let stored = StoredRow(row, Self.layout), let reply = try? Self(stored) else {
      return nil
    }
    self = reply
  }

  private init(_ stored: StoredRow) throws {
    let part: Int = try stored.value("part")
    let headers: String = try stored.value("headers")
    let status: Int = try stored.value("status")
    _ = try stored.number("number", from: 1)
    guard (200...999).contains(status) || status == Self.forgotten.status else {
      throw StoreError(.damaged, "status is \(status)")
    }
    let lines = headers.split(separator: "\n").map { line in
      let name = line.prefix { $0 != ":" }
      return (name: String(name), value: String(line.dropFirst(name.count + 1)))
    }
    self.init(
      key: try stored.value("key"),
      fingerprint: Fingerprint(bytes: try stored.bytes("fingerprint") ?? []),
      part: part == Self.whole ? nil : part,
      response: HTTPResponse(
        status: status, allHeaders: lines, body: try stored.bytes("body") ?? []),
      applied: (try stored.optional("applied") as String?).map { AppliedSteps(text: $0) },
      age: try stored.optional("age"))
  }

  /// Names have no colon, and neither they nor values a line break, which HTTP could not send.
  private var headerLines: String {
    response.allHeaders.map { "\($0.name):\($0.value)" }.joined(separator: "\n")
  }

  func write(to db: Database) throws {
    if part == nil {
      // The whole takes the place of its parts.
      try db.cachedStatement(sql: "DELETE FROM replies WHERE key = ?").execute(arguments: [key])
    }
    let last = try Int.fetchOne(
      db.cachedStatement(sql: "SELECT ifnull(max(number), 0) FROM replies"))
    try write(number: Int64((last ?? 0) + 1), to: db)
  }

  /// Deletes the body of the row with this number, from which this was read.
  func forgetBody(in db: Database, number: Int64) throws {
    var reply = self
    reply.response = Self.forgotten
    try reply.write(number: number, to: db)
  }

  private func write(number: Int64, to db: Database) throws {
    try Self.layout.insert(
      [
        key.databaseValue, (part ?? Self.whole).databaseValue,
        Data(fingerprint.bytes).databaseValue, response.status.databaseValue,
        headerLines.databaseValue, Data(response.body).databaseValue,
        number.databaseValue, applied?.text.databaseValue ?? .null, age?.databaseValue ?? .null,
      ], to: db)
  }

  /// Deletes damaged replies with the largest numbers. The numbers decide which replies are the
  /// oldest, and which number is the next.
  ///
  /// - Returns: how many were deleted
  static func deleteDamagedNewest(in db: Database) throws -> Int {
    var deleted = 0
    while let row = try Row.fetchOne(
      db, sql: "SELECT \(columns), r.rowid FROM replies r ORDER BY r.number DESC LIMIT 1"),
      KeyedReply(row) == nil
    {
      try db.execute(
        sql: "DELETE FROM replies WHERE number = ?", arguments: [row[layout.width] as DatabaseValue]
      )
      guard db.changesCount == 1 else { throw StoreError(.damaged, "a reply can't be deleted") }
      deleted += 1
    }
    return deleted
  }
}
