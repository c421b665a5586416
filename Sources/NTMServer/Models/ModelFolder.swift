import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The folder that models are loaded from; a model is named after its file.
struct ModelFolder: Sendable {
  let path: String
  /// Bytes of the largest state that a session may have.
  let largestState: Int

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

  /// In the order of their names.
  ///
  /// - Throws: where the folder can't be read.
  func files() throws(ModelPoolError) -> [File] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw ModelPoolError("the folder of models, \(path), can't be read")
    }
    let suffix = ".\(Self.fileExtension)"
    return names.filter { !$0.hasPrefix(".") && $0.hasSuffix(suffix) }
      .map { File(model: String($0.dropLast(suffix.count)), path: "\(path)/\($0)") }
      .sorted { $0.model < $1.model }
  }

  /// Reads and checks a file.
  ///
  /// - Throws: what is wrong with it.
  func load(_ file: File) throws(ModelPoolError) -> ServedModel {
    let model: ServedModel
    do throws(ModelFileError) {
      model = ServedModel(name: file.model, file: try ModelFile.load(file.path))
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
