import NTMModel

/// Writes the memory matrix of a session.
struct MemoryWriter: Sendable {
  let session: Session

  /// Numbers that are written in less than about a millisecond.
  private static let fewNumbers = 20_000
  /// Bytes of a number and its separator.
  private static let largestNumber = 16

  /// Whether this is work for a worker.
  var isLarge: Bool { session.model.model.stateLayout.memory.valueCount > Self.fewNumbers }

  func response(
    as form: MediaType, _ content: borrowing Session.Content
  ) throws(Problem) -> HTTPResponse {
    try session.model.withRoom { room throws(Problem) in
      let memory = try ServedModel.reserve(
        reply: Self.largestNumber * content.state.layout.memory.valueCount)
      defer { withExtendedLifetime(memory) {} }
      room.text.removeAll()
      if form == .csv {
        writeCSV(content.state, to: &room.text)
      } else {
        writeJSON(content, to: &room.text)
      }
      return HTTPResponse(
        status: 200, contentType: form.rawValue, headers: [("Vary", "Accept")],
        body: room.text.bytes)
    }
  }

  /// `{"session": …, "step": …, "rows": N, "columns": M, "memory": [[…], …]}`
  private func writeJSON(_ content: borrowing Session.Content, to text: inout ByteBuffer) {
    text.append("{\"session\":\"")
    text.append(utf8: session.id)
    text.append("\",\"step\":")
    text.appendNumber(content.step)
    text.append(",\"rows\":")
    text.appendNumber(content.state.layout.memory.rows)
    text.append(",\"columns\":")
    text.appendNumber(content.state.layout.memory.columns)
    text.append(",\"memory\":")
    text.appendMemory(content.state)
    text.append(UInt8(ascii: "}"))
  }

  /// A line for each row, without a heading.
  private func writeCSV(_ state: borrowing State, to text: inout ByteBuffer) {
    state.forEachMemoryRow { _, row in text.appendLine(row) }
  }
}

extension ByteBuffer {
  /// The memory matrix as a list of rows.
  mutating func appendMemory(_ state: borrowing State, inBase64 isBase64: Bool = false) {
    append(UInt8(ascii: "["))
    state.forEachMemoryRow { index, row in
      if index > 0 { append(UInt8(ascii: ",")) }
      appendArray(row, inBase64: isBase64)
    }
    append(UInt8(ascii: "]"))
  }
}
