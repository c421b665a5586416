import NTMModel

/// The folder that models are loaded from; a model is named after its file.
struct ModelFolder: Sendable {
  let path: String
  /// Bytes of the largest state that a session may have.
  let largestState: Int
  private let metrics = Metrics()

  /// The metrics of every name that a model was loaded under.
  private final class Metrics: Sendable {
    let byName = Lock<[String: StepMetrics]>([:])
  }

  init(path: String, largestState: Int) {
    self.path = path
    self.largestState = largestState
  }

  /// For each name that was ever loaded, because a counter that goes away looks like a restart.
  var stepMetrics: [(model: String, metrics: StepMetrics)] {
    metrics.byName.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private func stepMetrics(of name: String) -> StepMetrics {
    metrics.byName.withLock { byName in
      if let known = byName[name] { return known }
      let new = StepMetrics()
      byName[name] = new
      return new
    }
  }

  static let fileExtension = "safetensors"

  /// A file that should be a model.
  struct File: Sendable {
    let model: String
    let path: String
  }

  /// Whether a file of this folder can have a model of this name. What is none is not looked for.
  static func isName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".")
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }

  /// The model files in the order of their names.
  ///
  /// - Parameter report: called with each name that is not UTF-8, which a model can't have. Its bytes
  ///   are escaped.
  /// - Throws: if the folder can't be read.
  func files(unnamed report: (String) -> Void = { _ in }) throws(ModelPoolError) -> [File] {
    guard let names = Folder.names(path) else {
      throw ModelPoolError("the folder of models, \(path), can't be read")
    }
    let suffix = ".\(Self.fileExtension)"
    var files: [File] = []
    for name in names {
      guard name.first != UInt8(ascii: "."),
        name.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
      else { continue }
      if let text = String(validating: name, as: UTF8.self) {
        files.append(File(model: String(text.dropLast(suffix.count)), path: "\(path)/\(text)"))
      } else {
        report(String(escaping: name))
      }
    }
    return files.sorted { $0.model < $1.model }
  }

  /// Why a file with a name that is not UTF-8 is skipped.
  static let unnamedReason = "its name is not UTF-8"

  /// Reads and checks a file.
  ///
  /// - Throws: what is wrong with it.
  func load(_ file: File) throws(ModelPoolError) -> ServedModel {
    let model: ServedModel
    do throws(ModelFileError) {
      let content = try ModelFile.load(file.path)
      model = ServedModel(
        name: file.model, file: content, metrics: stepMetrics(of: file.model))
    } catch {
      throw ModelPoolError(error.reason)
    }
    guard model.stateBytes <= largestState else {
      throw ModelPoolError(
        "a session would need \(model.stateBytes) bytes, more than the \(largestState) of "
          + "--max-session-bytes")
    }
    return model
  }
}
