internal import Foundation
internal import GRDB

extension SessionRecord {
  /// The columns that `init` reads.
  static let columns = """
    s.number, s.id, s.model, s.digest, s.created_at, s.keep_alive, s.sequence, s.damage, s.checksum,
    b.step AS base_step, b.recomputed_from,
    p.step, p.last_activity, p.checksum AS progress_checksum
    """
  static let tables = """
    sessions s LEFT JOIN bases b ON b.session = s.number
    LEFT JOIN progress p ON p.session = s.number
    """

  /// A row whose checksum does not fit is a session that is damaged; so is one with something of
  /// another type in it, whose checksum can't fit.
  init(_ row: Row) {
    let baseStep: Int? = try? row.value("base_step")
    let created: Int64? = try? row.value("created_at")
    let sum: Data? = try? row.value("checksum")
    let progress = SessionProgress(row)
    self.init(
      number: (try? row.value("number")) ?? 0, id: (try? row.value("id")) ?? "",
      modelName: (try? row.value("model")) ?? "", modelDigest: (try? row.value("digest")) ?? "",
      createdAt: Timestamp(milliseconds: created ?? 0),
      keepAlive: try? row.optional("keep_alive"), sequence: try? row.optional("sequence"),
      step: progress?.step ?? baseStep ?? 0,
      lastActivity: progress?.lastActivity ?? Timestamp(milliseconds: created ?? 0),
      recomputedFrom: try? row.optional("recomputed_from"), damage: try? row.optional("damage"))
    if damage == nil, sum != checksum || progress?.isWhole(number) != true {
      damage = "what is stored of it is damaged"
    } else if damage == nil, baseStep == nil {
      damage = "its stored state is missing"
    }
  }

  /// The model that `init` reads from the columns `model` and `digest`.
  static func model(_ row: Row) -> ModelUses.Key {
    ModelUses.Key(
      name: (try? row.value("model")) ?? "", digest: (try? row.value("digest")) ?? "")
  }

  private var checksum: Data {
    var sum = RowChecksum("session")
    sum.add(number)
    for text in [id, modelName, modelDigest] { sum.add(text) }
    sum.add(createdAt.milliseconds)
    sum.add(keepAlive)
    sum.add(sequence)
    return Data(sum.bytes)
  }

  func write(to db: Database) throws {
    let statement = try db.cachedStatement(
      sql: """
        INSERT INTO sessions
          (number, id, model, digest, created_at, keep_alive, sequence, expires_at, damage, checksum)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    let expiry = keepAlive.map { lastActivity.advanced(by: $0).milliseconds }
    try statement.execute(arguments: [
      number, id, modelName, modelDigest, createdAt.milliseconds, keepAlive, sequence, expiry,
      damage, checksum,
    ])
  }
}

/// How far a session is.
struct SessionProgress {
  var step: Int
  var lastActivity: Timestamp
  private var stored: Data?

  init(step: Int, lastActivity: Timestamp) {
    self.step = step
    self.lastActivity = lastActivity
  }

  /// nil where it is missing, or holds something else than numbers.
  init?(_ row: Row) {
    guard let step: Int = try? row.value("step"),
      let lastActivity: Int64 = try? row.value("last_activity")
    else { return nil }
    self.init(step: step, lastActivity: Timestamp(milliseconds: lastActivity))
    stored = try? row.value("progress_checksum")
  }

  /// Whether it is what was written.
  func isWhole(_ session: Int) -> Bool { stored == checksum(session) }

  private func checksum(_ session: Int) -> Data {
    var sum = RowChecksum("progress")
    sum.add(session)
    sum.add(step)
    sum.add(lastActivity.milliseconds)
    return Data(sum.bytes)
  }

  /// nil where there is none, or not what was written.
  static func read(from db: Database, session: Int) throws -> SessionProgress? {
    let statement = try db.cachedStatement(
      sql: """
        SELECT step, last_activity, checksum AS progress_checksum FROM progress WHERE session = ?
        """)
    guard let row = try Row.fetchOne(statement, arguments: [session]),
      let progress = SessionProgress(row), progress.isWhole(session)
    else { return nil }
    return progress
  }

  func write(to db: Database, session: Int) throws {
    let statement = try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO progress (session, step, last_activity, checksum)
        VALUES (?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      session, step, lastActivity.milliseconds, checksum(session),
    ])
  }
}

extension StoredBase {
  init(_ row: Row, session: Int) throws {
    let replyStep: Int? = try row.optional("reply_step")
    let fingerprint: Data? = try row.optional("reply_fingerprint")
    let sum: Data = try row.value("checksum")
    var reply: RepeatableReply?
    if let replyStep, let fingerprint {
      reply = RepeatableReply(
        firstStep: replyStep, fingerprint: Fingerprint(bytes: Array(fingerprint)),
        body: try row.bytes("reply_body"))
    }
    self.init(
      step: try row.value("step"), state: try row.bytes("state"),
      arithmetic: try row.value("arithmetic"), reply: reply,
      recomputedFrom: try row.optional("recomputed_from"))
    guard sum == checksum(session) else {
      throw StoreError(.damaged, "its state at step \(step) is not what was stored")
    }
  }

  private func checksum(_ session: Int) -> Data {
    var sum = RowChecksum("base")
    sum.add(session)
    sum.add(step)
    sum.add(arithmetic)
    sum.add(recomputedFrom)
    sum.add(reply?.firstStep)
    sum.add(reply?.fingerprint.bytes)
    sum.add(reply?.body)
    sum.add(state)
    return Data(sum.bytes)
  }

  func write(to db: Database, session: Int) throws {
    let statement = try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO bases
          (session, step, arithmetic, recomputed_from, reply_step, reply_fingerprint, reply_body,
           state, checksum)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      session, step, arithmetic, recomputedFrom, reply?.firstStep,
      (reply?.fingerprint.bytes).map { Data($0) }, (reply?.body).map { Data($0) },
      state.map { Data($0) }, checksum(session),
    ])
  }
}

extension StoredSteps {
  init(_ row: Row, session: Int) throws {
    let form: String? = try row.optional("request_form")
    var request: RequestMark?
    if let firstStep: Int = try row.optional("request_step"),
      let isList: Bool = try row.optional("request_is_list"),
      let fields: Int = try row.optional("request_fields"), let form = form.flatMap(MediaType.init)
    {
      request = RequestMark(
        firstStep: firstStep, isList: isList, fields: StepFields(rawValue: fields), form: form)
    }
    let count: Int = try row.value("count")
    let bytes = try row.bytes("inputs") ?? []
    let sum: Data = try row.value("checksum")
    self.init(
      first: try row.value("first"), inputs: try Self.inputs(bytes, count), request: request)
    guard sum == checksum(session, bytes) else {
      throw StoreError(.damaged, "its steps from \(first) on are not what was stored")
    }
  }

  private static func inputs(_ bytes: [UInt8], _ count: Int) throws -> [[Float]] {
    guard count > 0, bytes.count % (4 * count) == 0 else {
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

  private var inputBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * inputs.reduce(0) { $0 + $1.count })
    for input in inputs {
      for value in input {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    return bytes
  }

  private func checksum(_ session: Int, _ bytes: [UInt8]) -> Data {
    var sum = RowChecksum("steps")
    sum.add(session)
    sum.add(first)
    sum.add(inputs.count)
    sum.add(request?.firstStep)
    sum.add((request?.isList).map { $0 ? 1 : 0 })
    sum.add(request?.fields.rawValue)
    sum.add(request?.form.rawValue)
    sum.add(bytes)
    return Data(sum.bytes)
  }

  func write(to db: Database, session: Int) throws {
    let bytes = inputBytes
    let statement = try db.cachedStatement(
      sql: """
        INSERT INTO steps
          (session, first, count, request_step, request_is_list, request_fields, request_form,
           inputs, checksum)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      session, first, inputs.count, request?.firstStep, request?.isList,
      request?.fields.rawValue, request?.form.rawValue, Data(bytes), checksum(session, bytes),
    ])
  }
}

extension KeyedReply {
  private static let whole = -1

  /// nil where the row is damaged: the key is then one that nobody has used.
  init?(_ row: Row) throws {
    let part: Int = try row.value("part")
    let fingerprint: Data = try row.value("fingerprint")
    let headers: String = try row.value("headers")
    let body = try row.bytes("body") ?? []
    let sum: Data = try row.value("checksum")
    let lines = headers.split(separator: "\n").map { line in
      let name = line.prefix { $0 != ":" }
      return (name: String(name), value: String(line.dropFirst(name.count + 1)))
    }
    self.init(
      key: try row.value("key"), fingerprint: Fingerprint(bytes: Array(fingerprint)),
      part: part == Self.whole ? nil : part,
      response: HTTPResponse(status: try row.value("status"), allHeaders: lines, body: body),
      applied: (try row.optional("applied") as String?).map { AppliedSteps(text: $0) },
      age: try row.optional("age"))
    guard sum == checksum else { return nil }
  }

  /// Names have no colon, and neither they nor values a line break, which HTTP could not send.
  private var headerLines: String {
    response.allHeaders.map { "\($0.name):\($0.value)" }.joined(separator: "\n")
  }

  private var checksum: Data {
    var sum = RowChecksum("reply")
    sum.add(key)
    sum.add(part)
    sum.add(fingerprint.bytes)
    sum.add(response.status)
    sum.add(headerLines)
    sum.add(response.body)
    if let age {
      sum.add(applied?.text)
      sum.add(age)
    }
    return Data(sum.bytes)
  }

  func write(to db: Database) throws {
    if part == nil {
      // The whole takes the place of its parts.
      try db.cachedStatement(sql: "DELETE FROM replies WHERE key = ?").execute(arguments: [key])
    }
    let statement = try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO replies
          (key, part, fingerprint, status, headers, body, checksum, applied, age)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      key, part ?? Self.whole, Data(fingerprint.bytes), response.status, headerLines,
      Data(response.body), checksum, applied?.text, age,
    ])
  }

  /// Deletes the body of a row that this was read from.
  func forgetBody(in db: Database, number: Int64) throws {
    var reply = self
    reply.response = Self.forgotten
    let statement = try db.cachedStatement(
      sql: "UPDATE replies SET status = ?, headers = '', body = x'', checksum = ? WHERE number = ?")
    try statement.execute(arguments: [reply.response.status, reply.checksum, number])
  }
}

extension Row {
  /// - Throws: where the column has something of another type, as a damaged one may.
  fileprivate func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    guard let value: Value = try optional(column) else {
      throw StoreError(.damaged, "\(column) is missing")
    }
    return value
  }

  /// nil where there is nothing.
  ///
  /// - Throws: where the column has something of another type, as a damaged one may.
  fileprivate func optional<Value: DatabaseValueConvertible>(_ column: String) throws -> Value? {
    let stored: DatabaseValue = self[column]
    guard !stored.isNull else { return nil }
    guard let value = Value.fromDatabaseValue(stored) else {
      throw StoreError(.damaged, "\(column) is not what was stored")
    }
    return value
  }

  fileprivate func bytes(_ column: String) throws -> [UInt8]? {
    let data: Data? = try optional(column)
    return data.map { Array($0) }
  }
}
