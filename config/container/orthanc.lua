-- Sends each stable study's radiographs to the node, as the guide's page `recipes` has it.
function OnStableStudy(studyId, tags, metadata)
  for _, series in ipairs(ParseJson(RestApiGet('/studies/' .. studyId .. '/series'))) do
    local modality = series['MainDicomTags']['Modality']
    if modality == 'CR' or modality == 'DX' then
      RestApiPost('/modalities/ra-node/store', DumpJson({Resources = {series['ID']}, Synchronous = false}))
    end
  end
end
