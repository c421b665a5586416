import NTMModel

/// The models of a server, by name. What is served can change: whoever asks gets what is there at
/// that moment, and sessions keep the model that they were made with.
public final class ModelPool: Sendable {
  /// nil where the models come from elsewhere and none can be loaded.
  let folder: ModelFolder?
  private let content: Lock<Content>

  fileprivate struct Content {
    var served: ServedModels
    /// What was begun last, of all that asked for a change.
    var lastTicket = 0
    /// For each name the ticket of what changed it, or found that nothing changes.
    var changes: [String: Int] = [:]
    /// Models that are no longer served and may still have sessions.
    var retired: [Retired] = []

    mutating func takeTicket() -> Int {
      lastTicket += 1
      return lastTicket
    }
  }

  fileprivate struct Retired {
    weak var model: ServedModel?
  }

  /// - Throws: `ModelPoolError` where two models have the same name, or the default is not among
  ///   them.
  public convenience init(
    _ models: [ServedModel], default name: String? = nil
  ) throws(ModelPoolError) {
    try self.init(models, default: name, folder: nil)
  }

  private init(
    _ models: [ServedModel], default name: String?, folder: ModelFolder?
  ) throws(ModelPoolError) {
    let served = try ServedModels(models, chosenName: name)
    if let name, served.defaultModel == nil {
      throw ModelPoolError("the default model \"\(name)\" is not among those that are served")
    }
    self.folder = folder
    content = Lock(Content(served: served))
  }

  /// Loads every model file of a folder; a model is named after its file.
  ///
  /// - Parameters:
  ///   - report: called for each file that is not a model that can be served; a name that is not
  ///     UTF-8 is escaped
  ///   - skip: whether to go on without such files
  ///   - largestState: bytes of the largest state that a model's sessions may have
  /// - Throws: `ModelPoolError` where the folder can't be read or has no model, and where a file is
  ///   bad unless `skip`.
  public static func load(
    folder path: String, skippingBad skip: Bool, default name: String? = nil,
    largestState: Int = .max, report: (_ file: String, _ reason: String) -> Void
  ) throws(ModelPoolError) -> ModelPool {
    let folder = ModelFolder(path: path, largestState: largestState)
    var models: [ServedModel] = []
    var badFiles: [String] = []
    // A file without a valid name can't be served by any; it does not stop the start.
    for file in try folder.files(unnamed: { report("\(path)/\($0)", ModelFolder.unnamedReason) }) {
      do throws(ModelPoolError) {
        models.append(try folder.load(file))
      } catch {
        badFiles.append("\(file.model).\(ModelFolder.fileExtension)")
        report(file.path, error.description)
      }
    }
    guard badFiles.isEmpty || skip else {
      throw ModelPoolError(
        "\(path) has \(badFiles.count == 1 ? "a bad file" : "bad files"): "
          + "\(badFiles.joined(separator: ", ")); --skip-bad-models goes on without")
    }
    guard !models.isEmpty else {
      throw ModelPoolError(
        "\(path) has no model (*.\(ModelFolder.fileExtension)) that can be served")
    }
    return try ModelPool(models, default: name, folder: folder)
  }

  // MARK: Finding

  /// What is served now. Whoever needs several facts that agree takes them from one of these.
  public var current: ServedModels { content.withLock { $0.served } }

  public var models: [ServedModel] { current.models }
  public var defaultModel: ServedModel? { current.defaultModel }
  public subscript(name: String) -> ServedModel? { current[name] }

  /// The steps of each name, in the order of names.
  var stepMetrics: [(model: String, metrics: StepMetrics)] {
    folder?.stepMetrics ?? models.map { ($0.name, $0.metrics) }
  }

  // MARK: Changing

  /// Begins a change. Reading a file takes long, so that several changes of one name can be under
  /// way at a time; of two, that stands which began later, because it has read the newer file.
  func takeTicket() -> Int { content.withLock { $0.takeTicket() } }

  /// Serves a model that was read after `ticket` was taken, in place of the one of its name. Where
  /// that has the same weights it stays, with what the file says beside them.
  ///
  /// - Returns: the model that is served now, and nil where something that began later has changed
  ///   the name
  func put(_ new: ServedModel, _ ticket: Int) -> (served: ServedModel, change: ModelChange)? {
    // The old one is handed out because its memory is given back where its last user lets it go:
    // not here, with the lock held.
    let (result, _) = content.withLock { content -> (PutResult?, ServedModel?) in
      guard content.changes[new.name, default: 0] < ticket else { return (nil, nil) }
      content.changes[new.name] = ticket
      let old = content.served[new.name]
      if let old, old.digest == new.digest {
        old.describe(as: new.description)
        return ((old, .unchanged), nil)
      }
      // Its sessions and new ones are then on one version, which is in memory once.
      let retired = content.takeRetired(new)
      retired?.describe(as: new.description)
      let served = retired ?? new
      content.retire(old)
      content.served = content.served.replacing(new.name, by: served)
      return ((served, old.map { .replaced(old: $0.version) } ?? .loaded), old)
    }
    return result
  }

  private typealias PutResult = (served: ServedModel, change: ModelChange)

  /// Serves no model of this name any more.
  ///
  /// - Parameter ticket: of what found that it should go; nil for now
  /// - Returns: the model, and nil where there is none or something that began later has changed it
  func remove(_ name: String, _ ticket: Int? = nil) -> ServedModel? {
    content.withLock { content in
      let ticket = ticket ?? content.takeTicket()
      guard let old = content.served[name], content.changes[name, default: 0] < ticket else {
        return nil
      }
      content.changes[name] = ticket
      content.retire(old)
      content.served = content.served.replacing(name, by: nil)
      return old
    }
  }
}

extension ModelPool.Content {
  fileprivate mutating func retire(_ model: ServedModel?) {
    retired.removeAll { $0.model == nil }
    if let model { retired.append(ModelPool.Retired(model: model)) }
  }

  /// The model that is the same as this one, if it is still in use.
  fileprivate mutating func takeRetired(_ model: ServedModel) -> ServedModel? {
    guard
      let index = retired.firstIndex(where: {
        $0.model?.name == model.name && $0.model?.digest == model.digest
      })
    else { return nil }
    return retired.remove(at: index).model
  }
}

/// Why models can't be served.
public struct ModelPoolError: Error, CustomStringConvertible {
  public let description: String
  init(_ reason: String) { description = reason }
}
