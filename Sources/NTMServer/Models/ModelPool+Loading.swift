import Logging

/// What became of a model whose file was read again, or is gone.
enum ModelChange: Equatable, Sendable {
  case loaded
  /// - Parameter old: the version that was served before
  case replaced(old: String)
  /// The file has the weights that are served.
  case unchanged
  case unloaded
  /// The file is bad; what was served is served on.
  case refused(reason: String)
}

extension ModelPool {
  /// Reads a model's file, and serves it if it is good.
  ///
  /// - Throws: `Problem` 404 where there is no such file and 422 where it is bad; what was served
  ///   before is served on.
  func load(_ name: String) throws(Problem) -> (served: ServedModel, change: ModelChange) {
    guard let folder, ModelFolder.isName(name) else { throw noFile(of: name) }
    let ticket = takeTicket()
    let files: [ModelFolder.File]
    do throws(ModelPoolError) {
      // Only what the folder lists is opened, never a path that a request has made up.
      files = try folder.files().filter { $0.model == name }
    } catch {
      throw Problem(.internalError, "the folder of models can't be read; nothing is changed")
    }
    guard let file = files.first else { throw noFile(of: name) }
    let model: ServedModel
    do throws(ModelPoolError) {
      guard files.count == 1 else { throw ModelPoolError(Self.twoFiles) }
      model = try folder.load(file)
    } catch {
      throw Problem(
        .badModel, "model \"\(name)\" can't be loaded: \(error). \(stillServed(name))",
        fields: ["reason": .text(error.description)])
    }
    if let result = put(model, ticket) { return result }
    // Somebody who came later was faster. A model of theirs is as new as this one, or newer.
    guard let served = self[name] else {
      throw Problem(.noSuchModel, "model \"\(name)\" was unloaded while it was being loaded")
    }
    return (served, .unchanged)
  }

  /// Makes what is served what the folder has: new files are loaded, changed ones take the place of
  /// what was, and models whose files are gone are unloaded. A bad file changes nothing.
  ///
  /// - Parameters:
  ///   - isCancelled: asked before each file; whether to leave the rest as it is
  ///   - report: called for every file, and every model without one
  /// - Throws: where the folder can't be read; nothing is changed then.
  func reload(
    unless isCancelled: () -> Bool, report: (_ name: String, ModelChange) -> Void
  ) throws(ModelPoolError) {
    guard let folder else { throw ModelPoolError("the models come from no folder") }
    let ticket = takeTicket()
    let files = try folder.files { report($0, .refused(reason: ModelFolder.unnamedReason)) }
    var names: Set<String> = []
    for file in files {
      if isCancelled() { return }
      do throws(ModelPoolError) {
        guard names.insert(file.model).inserted else { throw ModelPoolError(Self.twoFiles) }
        if let (_, change) = put(try folder.load(file), ticket) { report(file.model, change) }
      } catch {
        report(file.model, .refused(reason: error.description))
      }
    }
    for model in models where !names.contains(model.name) {
      if remove(model.name, ticket) != nil { report(model.name, .unloaded) }
    }
  }

  private static let twoFiles = "two files have this name, written with different characters"

  private func noFile(of name: String) -> Problem {
    Problem(
      .noSuchModel,
      "there is no file \"\(name).\(ModelFolder.fileExtension)\" of a model. \(stillServed(name))")
  }

  /// What a failed load leaves.
  private func stillServed(_ name: String) -> String {
    self[name].map { "The one that was loaded before is still served, \($0.version)" }
      ?? "No model of this name is served"
  }
}

extension Logger {
  /// Notes what became of a model.
  func note(_ name: String, _ change: ModelChange, _ pool: ModelPool) {
    let version = pool[name]?.version ?? "unloaded since"
    switch change {
    case .loaded: notice("loaded model \(name), \(version)")
    case .replaced(let old): notice("replaced model \(name): \(version) in place of \(old)")
    case .unchanged: debug("model \(name) is unchanged, \(version)")
    case .unloaded: notice("unloaded model \(name)")
    case .refused(let reason): error("refused model \(name): \(reason)")
    }
  }
}
