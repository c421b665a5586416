import Foundation
import NTMModel

@testable import NTMServer

/// A folder of models of a test's own, which goes away with it.
final class TemporaryModels: Sendable {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "ntm-models-\(UUID().uuidString)").path

  /// - Parameter models: by the names of their files, without what these end in
  init(_ models: KeyValuePairs<String, ServedModel> = [:]) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, model) in models { try put(model, as: name) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name).safetensors" }

  /// Writes a model's file, or replaces it.
  func put(_ served: ServedModel, as name: String) throws {
    try ModelFile(model: served.model, description: served.description).safeTensors()
      .write(to: file(name))
  }

  /// Writes over what is there, as `cp` does.
  func write(_ content: some Sequence<UInt8>, as name: String) throws {
    try Data(content).write(to: URL(filePath: file(name)))
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: file(name)) }

  func pool(default name: String? = nil, largestState: Int = .max) throws -> ModelPool {
    try ModelPool.load(
      folder: path, skippingBad: false, default: name, largestState: largestState,
      report: { _, _ in })
  }
}
