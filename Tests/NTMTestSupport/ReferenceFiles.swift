import Foundation
import Testing

/// The traces that other implementations computed: those that are fixtures of this project, and
/// those of a reference folder where there is one.
package struct ReferenceFile: Sendable, CustomTestStringConvertible {
  package let path: String
  /// Enough of the path to tell the files apart.
  package let testDescription: String

  package var folder: String { URL(filePath: path).deletingLastPathComponent().path }

  /// `NTM_REFERENCE`, or `shared/reference` beside the project.
  package static let folder: String = {
    if let folder = ProcessInfo.processInfo.environment["NTM_REFERENCE"], !folder.isEmpty {
      return folder
    }
    return URL(filePath: #filePath).appending(path: "../../../../shared/reference").standardized
      .path
  }()

  package static let isFolderPresent = FileManager.default.fileExists(atPath: folder)

  package static let fixtureFolder = Bundle.module.url(forResource: "Fixtures", withExtension: nil)!
    .path

  /// Every file below both folders whose name `isWanted` takes. A fixture that the reference folder
  /// also has is read from there, where it is whole.
  package static func all(where isWanted: (String) -> Bool) -> [ReferenceFile] {
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
