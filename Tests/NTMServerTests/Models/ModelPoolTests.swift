import Foundation
import NTMModel
import Testing

@testable import NTMServer

struct ModelPoolTests {
  /// A folder of its own for a test.
  private final class Folder {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "ntm-models-\(UUID().uuidString)").path

    init(_ models: [String] = [], files: [String: String] = [:]) throws {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for name in models {
        try FileManager.default.copyItem(
          atPath: "\(ServedModel.modelFolder)/copy.safetensors", toPath: "\(path)/\(name)")
      }
      for (name, content) in files {
        try Data(content.utf8).write(to: URL(filePath: "\(path)/\(name)"))
      }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Loads it, with what it reports.
    func load(
      skippingBad: Bool = false, default name: String? = nil
    ) -> (result: Result<ModelPool, ModelPoolError>, reports: [String]) {
      var reports: [String] = []
      let result = Result { () throws(ModelPoolError) in
        try ModelPool.load(folder: path, skippingBad: skippingBad, default: name) { file, reason in
          reports.append("\(file.replacing(path, with: "")): \(reason)")
        }
      }
      return (result, reports)
    }
  }

  private func expectFailure(
    _ loaded: (result: Result<ModelPool, ModelPoolError>, reports: [String]), _ description: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    guard case .failure(let error) = loaded.result else {
      Issue.record("the folder was taken", sourceLocation: sourceLocation)
      return
    }
    #expect(error.description == description, sourceLocation: sourceLocation)
  }

  @Test func modelsAreNamedAfterTheirFiles() throws {
    let folder = try Folder(
      ["copy.safetensors", "a b.safetensors", "v1.2.safetensors", "ü.safetensors"],
      files: [
        "README.md": "no model", "copy.safetensors.bak": "no model", "safetensors": "nor this",
      ])
    let (result, reports) = folder.load()
    let pool = try result.get()
    #expect(pool.models.map(\.name) == ["a b", "copy", "v1.2", "ü"])
    #expect(reports.isEmpty)
    #expect(pool["v1.2"]?.digest == ServedModel.copy.digest)
    #expect(pool["copy.safetensors"] == nil)
    #expect(pool.defaultModel == nil)
  }

  #if os(Linux)
    @Test func aFileWhoseNameIsNotUTF8IsSkipped() throws {
      let folder = try Folder(["good.safetensors"])
      let name = Array("\(folder.path)/k".utf8) + [0xF6] + Array(".safetensors".utf8)
      try ModelPoolTests.makeFile(name)
      let (result, reports) = folder.load()
      let pool = try result.get()
      #expect(pool.models.map(\.name) == ["good"])
      #expect(reports == [#"/k\xf6.safetensors: its name is not UTF-8"#])
      var changes: [String: ModelChange] = [:]
      try pool.reload(unless: { false }, report: { changes[$0] = $1 })
      #expect(
        changes == [
          #"k\xf6.safetensors"#: .refused(reason: "its name is not UTF-8"), "good": .unchanged,
        ])
    }

    private static func makeFile(_ path: [UInt8]) throws {
      let descriptor = (path.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
        creat($0.baseAddress!, 0o600)
      }
      try #require(descriptor >= 0)
      close(descriptor)
    }
  #endif

  @Test func theShippedModelsAreServed() throws {
    let pool = try ModelPool.load(
      folder: ServedModel.modelFolder, skippingBad: false, report: { Issue.record("\($0): \($1)") })
    #expect(pool["copy"]?.description.task == "copy")
    #expect(pool["repeat-copy"]?.description.task == "repeat-copy")
  }

  @Test func theOnlyModelIsTheDefault() throws {
    let pool = try Folder(["one.safetensors"]).load().result.get()
    #expect(pool.defaultModel?.name == "one")
  }

  @Test func theDefaultIsTheOneThatIsChosen() throws {
    let folder = try Folder(["one.safetensors", "two.safetensors"])
    #expect(try folder.load(default: "two").result.get().defaultModel?.name == "two")
    expectFailure(
      folder.load(default: "three"),
      "the default model \"three\" is not among those that are served")
    expectFailure(
      folder.load(default: ""), "the default model \"\" is not among those that are served")
  }

  @Test func badFilesAreRefusedOrSkipped() throws {
    let folder = try Folder(
      ["good.safetensors"], files: ["bad.safetensors": "garbage", "empty.safetensors": ""])
    let refused = folder.load()
    expectFailure(
      refused,
      "\(folder.path) has bad files: bad.safetensors, empty.safetensors; "
        + "--skip-bad-models goes on without")
    #expect(refused.reports.count == 2)
    let (result, reports) = folder.load(skippingBad: true)
    #expect(try result.get().models.map(\.name) == ["good"])
    #expect(reports == refused.reports)
    #expect(reports[0].hasPrefix("/bad.safetensors: "))
    #expect(reports[1].hasPrefix("/empty.safetensors: "))
  }

  @Test func oneBadFileIsNamed() throws {
    let folder = try Folder(["good.safetensors"], files: ["bad.safetensors": "garbage"])
    expectFailure(
      folder.load(),
      "\(folder.path) has a bad file: bad.safetensors; --skip-bad-models goes on without")
    // The default may be the one that is skipped.
    expectFailure(
      folder.load(skippingBad: true, default: "bad"),
      "the default model \"bad\" is not among those that are served")
  }

  @Test func aTruncatedModelIsBad() throws {
    let folder = try Folder()
    let whole = try Data(contentsOf: URL(filePath: "\(ServedModel.modelFolder)/copy.safetensors"))
    for length in [7, 8, 100, 3000, whole.count - 1] {
      try whole.prefix(length).write(to: URL(filePath: "\(folder.path)/copy.safetensors"))
      let loaded = folder.load(skippingBad: true)
      #expect(loaded.reports.count == 1, "\(length) bytes")
      expectFailure(loaded, "\(folder.path) has no model (*.safetensors) that can be served")
    }
  }

  @Test func aFolderWithoutModelsIsRefused() throws {
    let folder = try Folder(files: ["README.md": ""])
    expectFailure(
      folder.load(), "\(folder.path) has no model (*.safetensors) that can be served")
    expectFailure(
      folder.load(skippingBad: true),
      "\(folder.path) has no model (*.safetensors) that can be served")
  }

  @Test func aFolderThatIsNotThereIsRefused() {
    for path in ["/no/such/folder", "\(ServedModel.modelFolder)/copy.safetensors"] {
      let error = #expect(throws: ModelPoolError.self) {
        try ModelPool.load(folder: path, skippingBad: true, report: { _, _ in })
      }
      #expect(error?.description == "the folder of models, \(path), can't be read")
    }
  }
}
