public import NTMModel
import Synchronization

/// A model that is being served, with room for the threads that step it.
public final class ServedModel: Sendable {
  public let name: String
  public let model: Model
  public let description: ModelFile.Description
  /// SHA-256 of configuration and numbers, in hexadecimal.
  public let digest: String
  private let idle = Mutex<[StepRoom]>([])

  public init(name: String, file: ModelFile) {
    self.name = name
    model = file.model
    description = file.description
    digest = file.model.digest()
  }

  /// Lends room for steps to one thread at a time.
  func withRoom<Result, E: Error>(
    _ body: (StepRoom) throws(E) -> Result
  ) throws(E) -> Result where E: Error {
    let room = idle.withLock { $0.popLast() } ?? StepRoom(self)
    defer { idle.withLock { $0.append(room) } }
    return try body(room)
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
