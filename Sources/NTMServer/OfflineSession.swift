public import NTMModel

/// A session without a server: takes inputs as JSON lines and gives the results that the service
/// would, without a session's name.
public final class OfflineSession {
  private let writer: StepResultWriter
  private let model: ServedModel
  private var content: Session.Content
  private let room: StepRoom

  /// - Parameters:
  ///   - fields: what a result says, by the names of `return`; nil for the service's own choice
  /// - Throws: an error that says which name is none, or `AllocationError`.
  public init(_ file: ModelFile, name: String, returning fields: [String]?) throws {
    let model = ServedModel(name: name, file: file)
    let wanted: StepFields
    do throws(Problem) {
      wanted = if let fields { try StepFields(names: fields) } else { .standard }
    } catch {
      throw OfflineError(description: error.detail)
    }
    content = Session.Content(state: try file.model.makeState())
    writer = StepResultWriter(model: .passUnretained(model), session: nil, fields: wanted)
    room = try model.makeRoom()
    self.model = model
  }

  /// Takes one step.
  ///
  /// - Parameter line: JSON, an array or an object with `input` and, if wanted, `step`
  /// - Returns: the result as JSON in one line, without its end
  /// - Throws: an error that says what is wrong with the line; the session is then unchanged.
  public func step(_ line: [UInt8]) throws -> [UInt8] {
    do throws(Problem) {
      let line = try StepRequest.Line(line, for: model)
      try content.check(line.step)
      room.text.removeAll()
      var record = StepRecord()
      try model.step(line.input, &content, room, &record)
      writer.write(content, room)
    } catch {
      throw OfflineError(description: error.detail)
    }
    return room.text.bytes
  }
}

/// Why an offline session refuses something.
public struct OfflineError: Error, CustomStringConvertible {
  public let description: String
}
