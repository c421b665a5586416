import Foundation
import NTMModel
import Testing

/// `ntm inspect` as a process.
struct InspectTests {
  static let fixtures = "\(Executable.projectFolder)/Tests/NTMTestSupport/Fixtures"

  @Test func saysWhatAModelHolds() throws {
    let path = "\(Executable.models)/copy.safetensors"
    let ending = try Executable.run(["inspect", path])
    #expect(ending.status == 0)
    #expect(ending.errors.isEmpty)
    let digest = try ModelFile.load(path).model.digest()
    for line in [
      path, "  task        copy", "  digest      sha256:\(digest)", "  input       9 values",
      "  output      8 values", "  memory      128 × 20",
      "  controller  LSTM, 1 layer of 100 units", "  heads       read, write",
      "  parameters  62260", "  controller.0.weight  F32 400 × 129",
      "  start.weightings  F32 2 × 128", "\(try SafeTensorsFile(path: path).byteCount) bytes",
    ] {
      #expect(ending.output.split(separator: "\n").contains(Substring(line)), "\(line)")
    }
    // The configuration is JSON, and the model's.
    let json = try #require(
      ending.output.firstMatch(of: /\nConfiguration\n(\{[\s\S]*?\n\})\n/)?.1)
    let configuration = try JSONDecoder().decode(Configuration.self, from: Data(json.utf8))
    #expect(try configuration == ModelFile.load(path).model.configuration)
  }

  @Test(arguments: ["head_copy_seed10", "rnd5_write_first", "rnd7_large_memory"])
  func recognisesWeightsOfAnotherImplementation(_ name: String) throws {
    let path = "\(Self.fixtures)/\(name).safetensors"
    let ending = try Executable.run(["inspect", path])
    #expect(ending.status == 0)
    #expect(ending.output.contains("\(path): not a model file of ntm"))
    #expect(ending.output.contains("names of pytorch-ntm: `ntm import` makes a model of them"))
    for tensor in try SafeTensorsFile(path: path).header.tensors {
      #expect(ending.output.contains("  \(tensor.name)  F32 "))
    }
  }

  @Test func showsAnySafetensorsFile() throws {
    let folder = try TemporaryFolder()
    var writer = SafeTensorsWriter(metadata: ["made by": "a test"])
    writer.add("some.tensor", shape: [2, 1], [1, 2])
    try writer.write(to: folder.file("any"))
    let ending = try Executable.run(["inspect", folder.file("any")])
    #expect(ending.status == 0)
    #expect(ending.output.contains("not a model file of ntm"))
    #expect(!ending.output.contains("ntm import"))
    #expect(ending.output.contains("a test"))
    #expect(ending.output.contains("  some.tensor  F32 2 × 1"))
  }

  @Test(arguments: [
    (name: "garbage", content: "this is no safetensors file at all"),
    (name: "nothing", content: ""),
    (name: "a zero", content: "\0"),
  ])
  func refusesWhatIsNone(_ name: String, _ content: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("file", content)
    let ending = try Executable.run(["inspect", folder.file("file")])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("Error: \(folder.file("file")): "))
    #expect(ending.output.isEmpty)
  }

  @Test func refusesAFileThatIsNotThere() throws {
    let ending = try Executable.run(["inspect", "/no/such/file"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("/no/such/file: there is no such file"))
  }

  /// A model file that says so and is none.
  @Test func refusesABrokenModel() throws {
    let folder = try TemporaryFolder()
    let writer = SafeTensorsWriter(metadata: ["format": "ntm-model", "format_version": "1"])
    try writer.write(to: folder.file("model"))
    let ending = try Executable.run(["inspect", folder.file("model")])
    #expect(ending.status != 0)
    #expect(
      ending.errors.contains("\(folder.file("model")): its metadata has no configuration"))
  }
}
