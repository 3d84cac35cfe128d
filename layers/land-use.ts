/**
 * Land-use codes of the Vietnamese cadastre.
 * Source: circulars on land statistics and cadastral maps under the land laws of 2013 and 2024 (in use until replaced);
 * the four codes marked 2024 come with law 31/2024/QH15.
 */
import { codes } from './columns.js'

export const LAND_USE = codes({
  ODT: ['Đất ở tại đô thị', 'Urban residential'],
  ONT: ['Đất ở tại nông thôn', 'Rural residential'],
  TMD: ['Đất thương mại, dịch vụ', 'Commerce and services'],
  SKC: ['Đất cơ sở sản xuất phi nông nghiệp', 'Non-agricultural production'],
  SKK: ['Đất khu công nghiệp', 'Industrial park'],
  SKN: ['Đất cụm công nghiệp', 'Industrial cluster'],
  TSC: ['Đất xây dựng trụ sở cơ quan', 'Government offices'],
  DGD: ['Đất cơ sở giáo dục – đào tạo', 'Education'],
  DYT: ['Đất cơ sở y tế', 'Health'],
  DTT: ['Đất cơ sở thể dục – thể thao', 'Sports'],
  DVH: ['Đất cơ sở văn hóa', 'Culture'],
  DGT: ['Đất giao thông', 'Transport'],
  DTL: ['Đất thủy lợi', 'Irrigation and drainage'],
  DKV: ['Đất khu vui chơi, giải trí công cộng', 'Parks and recreation'],
  DRA: ['Đất bãi thải, xử lý chất thải', 'Waste treatment'],
  DNL: ['Đất công trình năng lượng', 'Energy works'],
  DBV: ['Đất công trình bưu chính, viễn thông', 'Post and telecommunications'],
  TON: ['Đất cơ sở tôn giáo', 'Religious'],
  TIN: ['Đất cơ sở tín ngưỡng', 'Worship'],
  NTD: ['Đất nghĩa trang, nghĩa địa', 'Cemetery'],
  SON: ['Đất sông, ngòi, kênh, rạch, suối', 'Rivers and canals'],
  MNC: ['Đất có mặt nước chuyên dùng', 'Water surface'],
  LUC: ['Đất chuyên trồng lúa nước', 'Wet rice'],
  LUK: ['Đất trồng lúa nước còn lại', 'Other wet rice'],
  BHK: ['Đất bằng trồng cây hằng năm khác', 'Annual crops, flat land'],
  NHK: ['Đất nương rẫy trồng cây hằng năm khác', 'Annual crops, upland'],
  CLN: ['Đất trồng cây lâu năm', 'Perennial crops'],
  RSX: ['Đất rừng sản xuất', 'Production forest'],
  RPH: ['Đất rừng phòng hộ', 'Protection forest'],
  RDD: ['Đất rừng đặc dụng', 'Special-use forest'],
  NTS: ['Đất nuôi trồng thủy sản', 'Aquaculture'],
  CQP: ['Đất quốc phòng', 'National defence'],
  CAN: ['Đất an ninh', 'Public security'],
  BCS: ['Đất bằng chưa sử dụng', 'Unused flat land'],
  DCS: ['Đất đồi núi chưa sử dụng', 'Unused hill land'],
  DCT: ['Đất công trình cấp nước, thoát nước (2024)', 'Water supply and drainage works (2024)'],
  DPC: ['Đất công trình phòng, chống thiên tai (2024)', 'Disaster prevention works (2024)'],
  DCH: ['Đất chợ dân sinh, chợ đầu mối (2024)', 'Markets (2024)'],
  CNT: ['Đất chăn nuôi tập trung (2024)', 'Concentrated livestock (2024)'],
})
export type LandUse = keyof typeof LAND_USE

/** Quiet fills: paper for what is built, a clear green for parks, pale tones for the rest. */
export const LAND_USE_COLOURS: Readonly<Partial<Record<LandUse, string>>> = {
  DKV: '#bcd1a4', DTT: '#cbdcb6', RSX: '#c3d0ae', RPH: '#b7c8a2', RDD: '#adc199', CLN: '#d3dcbf', LUC: '#dde3c4', LUK: '#dde3c4',
  BHK: '#dfe2c9', NHK: '#dfe2c9', TMD: '#efe3d3', SKC: '#e4e0dc', SKK: '#dfdbd8', SKN: '#e4e0dc', DGD: '#ece4d0', DYT: '#efdfda',
  TSC: '#e9e3d4', DGT: '#f4f1ea', SON: '#b9d0d0', MNC: '#b9d0d0', NTS: '#c6d8d4', NTD: '#dcdccb', DTL: '#cbd9d4',
}
