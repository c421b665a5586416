import Foundation
import Testing

/// The traces that other implementations computed: those that are fixtures of this project, and
/// those of a reference folder where there is one.
struct ReferenceFile: Sendable, CustomTestStringConvertible {
  let path: String
  /// Enough of the path to tell the files apart.
  let testDescription: String

  var folder: String { URL(filePath: path).deletingLastPathComponent().path }

  /// `NTM_REFERENCE`, or `shared/reference` beside the project.
  static let folder: String = {
    if let folder = ProcessInfo.processInfo.environment["NTM_REFERENCE"], !folder.isEmpty {
      return folder
    }
    return URL(filePath: #filePath).appending(path: "../../../../../shared/reference").standardized
      .path
  }()

  static let isFolderPresent = FileManager.default.fileExists(atPath: folder)

  static let fixtureFolder = Bundle.module.url(forResource: "Fixtures", withExtension: nil)!.path

  /// Every file below both folders whose name `isWanted` takes. A fixture that the reference folder
  /// also has is read from there, where it is whole.
  static func all(where isWanted: (String) -> Bool) -> [ReferenceFile] {
    let fixtures = files(below: fixtureFolder, label: "Fixtures", where: isWanted)
    let references = files(below: folder, label: "reference", where: isWanted)
    let names = Set(references.map { URL(filePath: $0.path).lastPathComponent })
    return references
      + fixtures.filter { !names.contains(URL(filePath: $0.path).lastPathComponent) }
  }

  private static func files(
    below folder: String, label: String, where isWanted: (String) -> Bool
  ) -> [ReferenceFile] {
    guard let names = FileManager.default.enumerator(atPath: folder) else { return [] }
    return names.compactMap { $0 as? String }.filter(isWanted).sorted().map {
      ReferenceFile(path: "\(folder)/\($0)", testDescription: "\(label)/\($0)")
    }
  }
}
