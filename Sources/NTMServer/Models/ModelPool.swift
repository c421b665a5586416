import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The models of a server, by name.
public struct ModelPool: Sendable {
  /// In the order of their names.
  public let models: [ServedModel]
  /// What a session gets that names no model: the one chosen, or the only one.
  public let defaultModel: ServedModel?
  private let byName: [String: ServedModel]

  /// - Throws: `ModelPoolError` where the default is not among the models.
  public init(_ models: [ServedModel], default name: String? = nil) throws(ModelPoolError) {
    self.models = models.sorted { $0.name < $1.name }
    byName = Dictionary(models.map { ($0.name, $0) }) { first, _ in first }
    // Two ways to write a letter in Unicode are one name, though two files.
    guard byName.count == models.count else {
      throw ModelPoolError("two of the models have the same name")
    }
    if let name {
      guard let model = byName[name] else {
        throw ModelPoolError("the default model \"\(name)\" is not among those that are served")
      }
      defaultModel = model
    } else {
      defaultModel = models.count == 1 ? models.first : nil
    }
  }

  public subscript(name: String) -> ServedModel? { byName[name] }

  static let fileExtension = "safetensors"

  /// Loads every model file of a folder; a model is named after its file.
  ///
  /// - Parameters:
  ///   - report: called for each file that is not a model that can be served
  ///   - skip: whether to go on without such files
  /// - Throws: `ModelPoolError` where the folder can't be read or has no model, and where a file is
  ///   bad unless `skip`.
  public static func load(
    folder: String, skippingBad skip: Bool, default name: String? = nil,
    report: (_ file: String, _ reason: String) -> Void
  ) throws(ModelPoolError) -> ModelPool {
    guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw ModelPoolError("the folder of models, \(folder), can't be read")
    }
    var models: [ServedModel] = []
    var badFiles: [String] = []
    for file in files.sorted() where !file.hasPrefix(".") && file.hasSuffix(".\(fileExtension)") {
      do throws(ModelFileError) {
        models.append(
          ServedModel(
            name: String(file.dropLast(fileExtension.count + 1)),
            file: try ModelFile.load("\(folder)/\(file)")))
      } catch {
        badFiles.append(file)
        report("\(folder)/\(file)", error.reason)
      }
    }
    guard badFiles.isEmpty || skip else {
      throw ModelPoolError(
        "\(folder) has \(badFiles.count == 1 ? "a bad file" : "bad files"): "
          + "\(badFiles.joined(separator: ", ")); --skip-bad-models goes on without")
    }
    guard !models.isEmpty else {
      throw ModelPoolError("\(folder) has no model (*.\(fileExtension)) that can be served")
    }
    return try ModelPool(models, default: name)
  }
}

/// Why models can't be served.
public struct ModelPoolError: Error, CustomStringConvertible {
  public let description: String
  init(_ reason: String) { description = reason }
}
