public import NTMModel

/// A model that is being served, with room for the threads that step it.
public final class ServedModel: Sendable {
  public let name: String
  public let model: Model
  public let description: ModelFile.Description
  /// Bytes of a session's state.
  public var stateBytes: Int { model.stateLayout.byteCount }
  /// SHA-256 of configuration and numbers, in hexadecimal.
  public let digest: String
  private let idle = Lock<[StepRoom]>([])

  public init(name: String, file: ModelFile) {
    self.name = name
    model = file.model
    description = file.description
    digest = file.model.digest()
  }

  /// Whether so many steps, and writing down their results, take less than about half a
  /// millisecond: roughly, an eighth of a nanosecond for a weight, one for a number of the memory
  /// and each head, and fifty for a number of a weighting, mostly for its text.
  func isCheap(steps: Int) -> Bool {
    let configuration = model.configuration
    let heads = configuration.heads.count
    let step =
      model.parameterCount / 8 + heads * model.stateLayout.memory.valueCount
      + 50 * heads * configuration.memory.rows
    return steps.multipliedReportingOverflow(by: step).partialValue < 500_000 && steps < 500_000
  }

  /// Lends room for steps to one thread at a time.
  func withRoom<Result, E: Error>(
    _ body: (StepRoom) throws(E) -> Result
  ) throws(E) -> Result where E: Error {
    let room = idle.withLock { $0.popLast() } ?? makeRoom()
    defer { idle.withLock { $0.append(room) } }
    return try body(room)
  }
}

extension ServedModel {
  func makeRoom() -> StepRoom { StepRoom(self) }

  /// Takes one step and writes its result behind what `room.text` has.
  ///
  /// - Throws: `Problem` 422 where a number would not be finite; nothing is changed then.
  func step(
    _ input: [Float], _ content: inout Session.Content, _ room: StepRoom, _ writer: StepResultWriter
  ) throws(Problem) {
    do throws(StepError) {
      try model.step(input.span, state: &content.state, workspace: &room.workspace)
    } catch {
      throw Problem(.notFinite, "\(error)")
    }
    content.step += 1
    writer.write(content.step, content.state, room.workspace, to: &room.text)
  }
}

/// What a thread needs to step a model and write down the result; reused from step to step.
final class StepRoom {
  var workspace: Workspace
  var text = ByteBuffer()

  fileprivate init(_ served: ServedModel) {
    do {
      workspace = try served.model.makeWorkspace()
    } catch {
      // As with any allocation of Swift's own: there is no going on.
      fatalError("\(error)")
    }
  }
}
