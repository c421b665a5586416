import Foundation
import NTMModel
import Testing

/// `ntm import` as a process.
struct ImportTests {
  private static let weights = "\(InspectTests.fixtures)/head_copy_seed10.safetensors"

  @Test func writesAModelFile() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("model.safetensors")
    let ending = try Executable.run(
      ["import", Self.weights, "--output", path, "--task", "copy", "--source", "a test"])
    #expect(ending.status == 0, "\(ending.errors)")
    let file = try ModelFile.load(path)
    #expect(
      ending.output == "\(path): 62260 parameters, sha256:\(file.model.digest())\n")
    #expect(file.description.task == "copy")
    #expect(file.description.source == "a test")
    #expect(file.description.producer?.hasPrefix("ntm ") == true)
    // It computes what the weights themselves do.
    let direct = try WeightImport.model(from: SafeTensorsFile(path: Self.weights))
    #expect(file.model.digest() == direct.model.digest())
    #expect(try Executable.run(["inspect", path]).output.contains(file.model.digest()))
    #expect(
      try Executable.run(["run", path, "--return", "output"], input: "[0,0,0,0,0,0,0,0,1]").status
        == 0)
  }

  @Test func replacesAFileOnlyWhereThatIsWanted() throws {
    let folder = try TemporaryFolder()
    try folder.write("model", "precious")
    let refused = try Executable.run(["import", Self.weights, "-o", folder.file("model")])
    #expect(refused.status != 0)
    #expect(
      refused.errors.contains("\(folder.file("model")) is there already; --force replaces it"))
    #expect(folder.read("model") == "precious")
    let forced = try Executable.run(["import", Self.weights, "-o", folder.file("model"), "--force"])
    #expect(forced.status == 0)
    _ = try ModelFile.load(folder.file("model"))
  }

  @Test func asksForADialectThatTheWeightsDoNotSay() throws {
    let folder = try TemporaryFolder()
    let file = try SafeTensorsFile(path: Self.weights)
    var writer = SafeTensorsWriter()
    for tensor in file.header.tensors {
      writer.add(tensor.name, shape: tensor.shape, try file.values(tensor.name))
    }
    try writer.write(to: folder.file("weights"))
    let refused = try Executable.run(["import", folder.file("weights"), "-o", folder.file("model")])
    #expect(refused.status != 0)
    #expect(refused.errors.contains("\(folder.file("weights")): "))
    #expect(refused.errors.contains("dialect"), "\(refused.errors)")
    #expect(refused.errors.contains("pytorch-ntm-2017"))
    #expect(!FileManager.default.fileExists(atPath: folder.file("model")))
    let told = try Executable.run(
      ["import", folder.file("weights"), "-o", folder.file("model"), "--dialect", "pytorch-ntm"])
    #expect(told.status == 0, "\(told.errors)")
    #expect(
      try ModelFile.load(folder.file("model")).model.digest()
        == WeightImport.model(from: file).model.digest())
  }

  @Test(arguments: [
    (name: "garbage", content: "garbage"), (name: "nothing", content: ""),
  ])
  func refusesWhatAreNoWeights(_ name: String, _ content: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("weights", content)
    let ending = try Executable.run(["import", folder.file("weights"), "-o", folder.file("model")])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("\(folder.file("weights")): "))
    #expect(!FileManager.default.fileExists(atPath: folder.file("model")))
  }

  @Test func refusesWeightsOfNoKnownImplementation() throws {
    let folder = try TemporaryFolder()
    let ending = try Executable.run(
      ["import", "\(Executable.models)/copy.safetensors", "-o", folder.file("model")])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("of no known implementation; known are pytorch-ntm"))
  }

  @Test func refusesAnUnknownDialect() throws {
    let folder = try TemporaryFolder()
    let ending = try Executable.run(
      ["import", Self.weights, "-o", folder.file("model"), "--dialect", "klingon"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("klingon"))
  }

  @Test func saysWhereItCannotWrite() throws {
    let ending = try Executable.run(["import", Self.weights, "-o", "/no/such/folder/model"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("/no/such/folder/model"), "\(ending.errors)")
  }
}
